package keeper

import (
	"errors"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/place"
)

// idleTime is how long the databases stay open with nothing to do. An open Badger wakes up twenty times a second to
// look for work and holds its memory; to open it again takes some 15 ms.
const idleTime = 3 * time.Second

// failedTime is how long the older database is left alone after it could not be opened.
const failedTime = time.Second

var errClosed = errors.New("the database is closed")

// A store is two generations of databases, opened when they are needed and closed when they are not.
//
//	put ──▶ younger ◀── get
//	           │         └──not there──▶ older
//	           │ half of the bound is passed
//	           ▼
//	a new one is the younger, this one becomes the older, and the older before is removed whole
//
// So what was stored least recently goes first, and its disk space with it, which deleting entries would not give back.
// Nothing is moved from the older to the younger when it is read.
type store struct {
	dir    string // that the databases' folders are in
	bound  int64  // bytes
	memory string // why nothing is on disk; "": it is
	// keep stores what else is to be kept: in the younger database before it is closed, or anew when it is another.
	// It is called by the goroutine that does either.
	keep func(db *badger.DB, anew bool)

	// long is held for reading by what takes longer than a moment, and with it mu for reading. Who wants to hold mu for
	// writing, and can do without, tries to have long first: a reader that comes while a writer waits would wait too.
	long sync.RWMutex
	// mu is held for reading by each operation, for writing to open, close or replace a database.
	mu             sync.RWMutex
	younger, older *generation // nil: none
	next           uint64      // number of the next generation
	failed         error       // why the older could not be opened
	failedAt       time.Time
	done           bool // closed for good

	grown    atomic.Int64 // bytes put since the younger was last measured
	stale    atomic.Bool  // entries have been removed
	used     atomic.Int64 // when a database was last used, in nanoseconds of the clock
	idle     *time.Timer  // runs while a database is open
	removing sync.WaitGroup
	crashes  *crashLog
	notices  notices
}

// newStore makes the store of a folder that is there; its open makes it ready. If network names a file system that other
// machines share, where a lock may lie to us, all is kept in memory.
func newStore(dir string, bound int64, network string) *store {
	s := &store{dir: dir, bound: bound, crashes: new(crashLog), keep: func(*badger.DB, bool) {}}
	if network != "" {
		s.bound = min(bound, memorySize)
		s.memory = "the cache folder is on a network file system (" + network + ")"
		s.notices.add(s.memory + ": answers are kept in memory, as long as the keeper lives")
	}
	s.idle = time.AfterFunc(time.Hour, s.closeIdle)
	s.idle.Stop()
	return s
}

// open finds the generations and opens the younger.
func (s *store) open() error {
	if s.memory == "" {
		s.crashes.begin(s)
	}
	if err := s.find(); err != nil {
		return err
	}
	return s.reopen(false)
}

// use calls fn with the younger database.
func (s *store) use(fn func(*badger.DB) error) error {
	if err := s.acquire(false); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	return fn(s.younger.db)
}

// useBoth calls fn with both databases; older is nil if there is none.
func (s *store) useBoth(fn func(younger, older *badger.DB) error) error {
	if err := s.acquire(true); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	if s.older == nil {
		return fn(s.younger.db, nil)
	}
	return fn(s.younger.db, s.older.db)
}

// acquire returns with mu held for reading and the younger database, or both, open.
func (s *store) acquire(both bool) error {
	s.mu.RLock()
	for !s.ready(both) {
		s.mu.RUnlock()
		if err := s.reopen(both); err != nil {
			return err
		}
		s.mu.RLock()
	}
	s.used.Store(time.Now().UnixNano())
	return nil
}

// ready says whether the younger database, or both, are open. The caller holds mu.
func (s *store) ready(both bool) bool {
	if s.younger == nil || s.younger.db == nil {
		return false
	}
	return !both || s.older == nil || s.older.db != nil
}

func (s *store) reopen(both bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done || s.younger == nil {
		return errClosed
	}
	if err := s.openYounger(); err != nil {
		return err
	}
	s.used.Store(time.Now().UnixNano())
	if s.memory == "" {
		s.idle.Reset(idleTime)
	}
	if both {
		return s.openOlder()
	}
	return nil
}

// openYounger opens the younger database, or begins another if it is broken. The caller holds mu, as for openOlder.
func (s *store) openYounger() error {
	if s.younger.db != nil {
		return nil
	}
	err := s.openGeneration(s.younger)
	if !errors.Is(err, errBroken) {
		return err
	}
	g := s.fresh()
	if err := s.openGeneration(g); err != nil {
		return err
	}
	s.younger = g
	s.keep(g.db, true)
	return nil
}

// openOlder opens the older database, or forgets it if it is broken.
func (s *store) openOlder() error {
	switch {
	case s.older == nil || s.older.db != nil:
		return nil
	case s.failed != nil && time.Since(s.failedAt) < failedTime:
		return s.failed
	}
	if s.failed = s.openGeneration(s.older); errors.Is(s.failed, errBroken) {
		s.older, s.failed = nil, nil
	}
	s.failedAt = time.Now()
	return s.failed
}

// close closes the databases for good.
func (s *store) close() error {
	s.long.Lock()
	defer s.long.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	err := s.closeLocked()
	s.removing.Wait()
	s.crashes.end()
	return err
}

func (s *store) closeIdle() {
	if !s.long.TryLock() {
		s.idle.Reset(idleTime)
		return
	}
	s.mu.Lock()
	left := idleTime - time.Since(time.Unix(0, s.used.Load()))
	switch {
	case s.done:
	case left > 0 && left <= idleTime:
		s.idle.Reset(left)
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
	all := s.ready(true)
	if s.younger != nil && s.younger.db != nil {
		s.keep(s.younger.db, false)
	}
	for _, g := range []*generation{s.younger, s.older} {
		if g != nil && g.db != nil {
			err = errors.Join(err, inTime(g.db.Close))
			g.db = nil
		}
	}
	if err == nil {
		s.crashes.closed(all)
	}
	return err
}

// checkSpace returns place.ErrNoSpace if there would be too little left after n bytes more.
func (s *store) checkSpace(n int) error {
	if s.memory != "" {
		return nil
	}
	return place.CheckSpace(s.dir, n)
}
