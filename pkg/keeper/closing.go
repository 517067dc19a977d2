package keeper

import (
	"errors"
	"runtime/debug"
	"time"

	"gptpipe/pkg/hub/place"
)

// close closes the databases for good, unless there is no space for that.
func (s *store) close() error {
	s.long.Lock()
	defer s.long.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return nil
	}
	s.done = true
	err := s.closeLocked()
	if s.younger.ready(true) || s.older.ready(true) {
		s.unclosed.Store(true)
	}
	s.removing.Wait()
	s.crashes.end()
	if errors.Is(err, place.ErrNoSpace) {
		return nil
	}
	return err
}

func (s *store) closeIdle() {
	if !s.long.TryLock() {
		s.idle.Reset(idleTime)
		return
	}
	if !s.mu.TryLock() { // somebody uses it, and who comes meanwhile is not to wait for that
		s.long.Unlock()
		s.idle.Reset(idleTime)
		return
	}
	left := idleTime - time.Since(time.Unix(0, s.used.Load()))
	switch {
	case s.done:
	case left > 0 && left <= idleTime:
		s.idle.Reset(left)
	case s.closable() != nil:
		s.overdue.Store(true)
	case s.stale.CompareAndSwap(true, false):
		s.mu.Unlock()
		s.long.Unlock()
		s.compact() // who comes meanwhile does not wait for it
		s.idle.Reset(idleTime)
		return
	default:
		// An error here leaves nothing to be done: what Badger has acknowledged is in its logs.
		s.closeLocked()
		debug.FreeOSMemory()
	}
	s.mu.Unlock()
	s.long.Unlock()
}

func (s *store) closeLocked() (err error) {
	s.idle.Stop()
	if err := s.closable(); err != nil {
		return err
	}
	all := s.ready(true, false)
	if s.younger.ready(true) {
		s.keep(s.younger.db, false)
	}
	for _, g := range []*generation{s.younger, s.older} {
		if g.ready(false) {
			err = errors.Join(err, s.inTime(patience, g.db.Close))
			if s.given() != nil {
				return err
			}
			g.db = nil
		}
	}
	if err == nil {
		s.crashes.closed(all)
	}
	return err
}

// closable says why databases that are open cannot be closed, which writes what is in memory.
func (s *store) closable() error {
	if err := s.given(); err != nil {
		return err
	}
	if !s.younger.ready(true) && !s.older.ready(true) {
		return nil
	}
	if err := s.checkSpace(0); err != nil {
		return err
	}
	return s.trouble.now()
}
