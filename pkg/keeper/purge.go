package keeper

import (
	"strings"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/proto"
)

// purge removes the values that match, and answers how many they were. Their disk space is free once Badger has
// compacted the tables they are in.
func (s *store) purge(p proto.Purge) (n uint64, err error) {
	err = s.use(func(db *badger.DB) error {
		before := time.Now().Add(-p.Older)
		batch := db.NewWriteBatch()
		defer batch.Cancel()
		err := eachAbout(db, func(k proto.Key, stored time.Time, model string) error {
			if p.Older > 0 && !stored.Before(before) || !strings.HasPrefix(model, p.Model) {
				return nil
			}
			n++
			if err := batch.Delete(entryKey(valuePrefix, k)); err != nil {
				return err
			}
			return batch.Delete(entryKey(aboutPrefix, k))
		})
		if err != nil {
			return err
		}
		return batch.Flush()
	})
	return n, err
}

// empty removes all values, and with them the files, so that their disk space is free at once. The counters are
// stored anew.
func (s *store) empty(counters func() []byte) (n uint64, err error) {
	if n, err = s.count(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == nil {
		return 0, errClosed
	}
	if err := s.db.DropAll(); err != nil {
		return 0, err
	}
	return n, storeCounters(s.db, counters())
}
