package keeper

import (
	"os"
	"time"
)

// The sizes of a store, in bytes.
const (
	// DefaultSize is the bound of a store on disk that was given none.
	DefaultSize = 2_000_000_000
	// MinSize is the least bound: below it, the logs of a database that is just begun would be most of it.
	MinSize = 32_000_000
	// memorySize is the bound of a store in memory.
	memorySize = 64_000_000
)

// grow counts bytes that were put. Now and then it looks how much space the younger generation takes, which what was
// put does not tell: tables, logs and compactions add to it.
func (s *store) grow(n int) {
	if s.grown.Add(int64(n)) >= s.step() {
		s.bind()
	}
}

func (s *store) step() int64 { return s.bound / 32 }

// bind keeps the generations within the bound. Without room for a new one, or while something takes long, all stays as
// it is until the next time.
func (s *store) bind() {
	if !s.long.TryLock() {
		return
	}
	defer s.long.Unlock()
	s.grown.Store(0)
	s.mu.RLock()
	younger, older := s.younger, s.older
	s.mu.RUnlock()
	size, before := younger.size(), older.size()
	s.forget(size + before)
	// A table that is written and the log of the same are both there for a while.
	full := size >= s.bound/2-max(s.step(), memTable)
	if !full && size+before <= s.bound {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done || s.younger != younger || s.older != older {
		return
	}
	if full {
		g := s.successor()
		if s.openGeneration(g, true) != nil {
			return
		}
		s.drop()
		s.older, s.younger = s.younger, g
		size, before = 0, size
	}
	if size+before > s.bound { // the bound was a larger one before
		s.drop()
	}
}

// drop removes the older generation, if there is one. The caller holds mu.
func (s *store) drop() {
	if g := s.older; g != nil {
		s.removing.Go(func() { s.remove(g) })
		s.older = nil
	}
}

// forget removes the databases that were moved aside, those moved longest ago first, if with them more than the bound
// is taken.
func (s *store) forget(size int64) {
	all := s.broken()
	for _, b := range all {
		size += diskUse(b.dir)
	}
	for ; size > s.bound && len(all) > 0; all = all[1:] {
		size -= diskUse(all[0].dir)
		os.RemoveAll(all[0].dir)
	}
}

// empty removes all values, those that were moved aside too, and answers how many could be seen. On a disk that is full
// a new database is begun when the old ones have made room.
func (s *store) empty() (n uint64, err error) {
	n, _ = s.count()
	s.long.Lock()
	defer s.long.Unlock()
	s.mu.Lock()
	if s.done {
		s.mu.Unlock()
		return 0, errClosed
	}
	g := s.successor()
	s.openGeneration(g, true)
	s.drop()
	s.older, s.younger = s.younger, g
	s.drop()
	s.grown.Store(0)
	s.used.Store(time.Now().UnixNano())
	s.mu.Unlock()

	s.removing.Wait()
	for _, b := range s.broken() {
		if rerr := os.RemoveAll(b.dir); rerr != nil {
			err = rerr
		}
	}
	s.reopen(false, true)
	return n, err
}
