package keeper

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/place"
)

// idleTime is how long the databases stay open with nothing to do. An open Badger wakes up twenty times a second to
// look for work and holds its memory; to open it again takes some 15 ms.
const idleTime = 3 * time.Second

// failedTime is how long a database is left alone by those who read after it could not be opened.
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
	done           bool        // closed for good

	grown    atomic.Int64 // bytes put since the younger was last measured
	stale    atomic.Bool  // entries have been removed
	used     atomic.Int64 // when a database was last used, in nanoseconds of the clock
	idle     *time.Timer  // runs while a database is open, but
	overdue  atomic.Bool  // not if it could not be closed: the next user sets it again
	trouble  trouble
	lost     atomic.Pointer[error] // why the store was given up
	unclosed atomic.Bool           // a database is open that only the end of the process closes
	leave    func()                // has the keeper leave
	owned    func() bool           // says whether the folder is still the keeper's
	removing sync.WaitGroup
	crashes  *crashLog
	notices  notices
}

// newStore makes the store of a folder that is there; its open makes it ready. If network names a file system that other
// machines share, where a lock may lie to us, all is kept in memory.
func newStore(dir string, bound int64, network string) *store {
	s := &store{dir: dir, bound: bound, crashes: new(crashLog), keep: func(*badger.DB, bool) {}, leave: func() {},
		owned: func() bool { return true }}
	if network != "" {
		s.bound = min(bound, memorySize)
		s.memory = "the cache folder is on a network file system (" + network + ")"
		s.notices.add(s.memory + ": answers are kept in memory, as long as the keeper lives")
	}
	s.idle = time.AfterFunc(time.Hour, s.closeIdle)
	s.idle.Stop()
	return s
}

// open finds the generations and opens the younger. On a disk that is full there may be none.
func (s *store) open() error {
	if s.memory == "" {
		s.crashes.begin(s)
	}
	if err := s.find(); err != nil {
		return err
	}
	if err := s.reopen(false, false); !errors.Is(err, place.ErrNoSpace) {
		return err
	}
	return nil
}

// use calls fn with the younger database, to read from it; useToWrite, to write too.
func (s *store) use(fn func(*badger.DB) error) error        { return s.useYounger(false, fn) }
func (s *store) useToWrite(fn func(*badger.DB) error) error { return s.useYounger(true, fn) }

func (s *store) useYounger(write bool, fn func(*badger.DB) error) error {
	if err := s.acquire(false, write); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	return fn(s.younger.db)
}

// useBoth calls fn with both databases; one that is not there is nil.
func (s *store) useBoth(write bool, fn func(younger, older *badger.DB) error) error {
	err := s.acquire(true, write)
	if errors.Is(err, errNothing) {
		return fn(nil, nil)
	}
	if err != nil {
		return err
	}
	defer s.mu.RUnlock()
	if s.older == nil {
		return fn(s.younger.db, nil)
	}
	return fn(s.younger.db, s.older.db)
}

// acquire returns with mu held for reading and the younger database, or both, open.
func (s *store) acquire(both, write bool) error {
	if err := s.given(); err != nil && write {
		return err
	}
	s.mu.RLock()
	for !s.ready(both, write) {
		s.mu.RUnlock()
		if err := s.reopen(both, write); err != nil {
			return err
		}
		s.mu.RLock()
	}
	s.used.Store(time.Now().UnixNano())
	if s.overdue.Load() && s.overdue.Swap(false) {
		s.idle.Reset(idleTime)
	}
	return nil
}

// ready says whether the younger database, or both, are open. The caller holds mu.
func (s *store) ready(both, write bool) bool {
	return s.younger.ready(write) && (!both || s.older == nil || s.older.ready(write))
}

func (s *store) reopen(both, write bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done || s.younger == nil {
		return errClosed
	}
	if err := s.given(); err != nil {
		return err
	}
	if err := s.openYounger(write); err != nil {
		return err
	}
	s.used.Store(time.Now().UnixNano())
	if both {
		return s.openOlder(write)
	}
	return nil
}

// openYounger opens the younger database, or begins another if it is broken. The caller holds mu, as for openOlder.
func (s *store) openYounger(write bool) error {
	err := s.openGeneration(s.younger, write)
	if !errors.Is(err, errBroken) {
		return err
	}
	s.younger = s.successor()
	return s.openGeneration(s.younger, write)
}

// openOlder opens the older database, or forgets it if it is broken.
func (s *store) openOlder(write bool) error {
	if s.older == nil {
		return nil
	}
	err := s.openGeneration(s.older, write)
	if errors.Is(err, errBroken) {
		s.older = nil
		return nil
	}
	return err
}

// errRemoved says that the folder was removed under the keeper, and may be another's by now.
var errRemoved = errors.New("the cache folder was removed")

// checkOwned has the keeper leave if the folder is not its own any more, for users to come to the next one's. What is in
// memory needs no folder.
func (s *store) checkOwned() error {
	if s.memory != "" || s.owned() {
		return nil
	}
	return s.giveUp(errRemoved)
}

// checkSpace returns place.ErrNoSpace if there would be too little left after n bytes more, or errRemoved.
func (s *store) checkSpace(n int) error {
	if err := s.checkOwned(); err != nil {
		return err
	}
	if s.memory != "" {
		return nil
	}
	return place.CheckSpace(s.dir, n)
}
