package keeper

import (
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/proto"
)

// purge removes the values that match, and answers how many they were. Their disk space is free once the databases are
// compacted, which happens when nobody has used them for a while.
func (s *store) purge(p proto.Purge) (n uint64, err error) {
	s.long.RLock()
	defer s.long.RUnlock()
	err = s.useBoth(true, func(younger, older *badger.DB) error {
		fromYounger := younger.NewWriteBatch()
		defer fromYounger.Cancel()
		fromOlder := fromYounger // and nothing is in the older
		if older != nil {
			fromOlder = older.NewWriteBatch()
			defer fromOlder.Cancel()
		}
		before := time.Now().Add(-p.Older)
		err := each(younger, older, proto.Key{}, func(a about) error {
			if p.Older > 0 && !a.Stored.Before(before) || !strings.HasPrefix(a.Model, p.Model) {
				return nil
			}
			n++
			if a.younger {
				if err := remove(fromYounger, a.Key); err != nil {
					return err
				}
			}
			if a.older {
				return remove(fromOlder, a.Key)
			}
			return nil
		})
		if err != nil {
			return err
		}
		return s.inTime(patience, func() error {
			if older != nil {
				if err := fromOlder.Flush(); err != nil {
					return err
				}
			}
			return fromYounger.Flush()
		})
	})
	if n > 0 {
		s.stale.Store(true)
	}
	return n, err
}

func remove(batch *badger.WriteBatch, k proto.Key) error {
	if err := batch.Delete(entryKey(valuePrefix, k)); err != nil {
		return err
	}
	return batch.Delete(entryKey(aboutPrefix, k))
}

// compact gives back the disk space of what was replaced or removed.
//
// Badger's own compactions, while the database is open, give back some of it: of 100,000 values of 2 KB, 221 MB, half
// were purged, and three seconds later 182 MB were taken. Flattening the levels left 110 MB and took 0.7 s. It makes
// each level part of the next, so that the marks of deletion meet what they delete.
func (s *store) compact() error {
	if s.memory != "" {
		return nil // it has no levels, see memoryOptions
	}
	// To close it brings what is in memory, such as those marks, into the levels.
	s.long.Lock()
	s.mu.Lock()
	err := s.closeLocked()
	s.mu.Unlock()
	s.long.Unlock()
	if err != nil {
		return err
	}
	s.long.RLock()
	defer s.long.RUnlock()
	return s.useBoth(true, func(younger, older *badger.DB) error {
		for _, db := range []*badger.DB{older, younger} {
			if db == nil {
				continue
			}
			if err := s.inTime(compactPatience, func() error { return flatten(db) }); err != nil {
				return err
			}
		}
		return nil
	})
}

func flatten(db *badger.DB) error {
	if err := db.Flatten(2); err != nil {
		return err
	}
	// Large values are in logs of their own. A log is written anew without what is not used any more, if that is a third
	// of it.
	for db.RunValueLogGC(0.3) == nil {
	}
	return nil
}
