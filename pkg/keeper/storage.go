package keeper

import "gptpipe/pkg/hub/proto"

// storage does what a request about stored entries asks.
func (k *keeper) storage(f proto.Frame) ([]byte, error) {
	switch f.Code {
	case proto.OpList:
		l, err := proto.ParseList(f.Body)
		if err != nil {
			return nil, err
		}
		part, err := k.store.list(l)
		return part.Append(nil), err
	case proto.OpImport:
		e, err := proto.ParseEntry(f.Body)
		if err != nil {
			return nil, err
		}
		stored, err := k.store.bring(e)
		if err != nil || !stored {
			return proto.Count(0).Append(nil), err
		}
		return proto.Count(1).Append(nil), nil
	case proto.OpCompact:
		return nil, k.store.compact()
	case proto.OpStorage:
		return k.store.describe().Append(nil), nil
	}
	return nil, errUnknown
}

func (s *store) describe() proto.Storage {
	d := proto.Storage{Bound: uint64(s.bound), Generations: 1, Memory: s.memory}
	s.mu.RLock()
	if s.older != nil {
		d.Generations++
	}
	s.mu.RUnlock()
	for _, b := range s.broken() {
		d.Broken = append(d.Broken, b.dir+": "+b.why)
	}
	return d
}

// size is the space that all generations take.
func (s *store) size() int64 {
	s.mu.RLock()
	younger, older := s.younger, s.older
	s.mu.RUnlock()
	return younger.size() + older.size()
}
