package keeper

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/place"
)

// idleTime is how long the database stays open with nothing to do. An open Badger wakes up twenty times a second to
// look for work and holds its memory; to open it again takes some 15 ms.
const idleTime = 3 * time.Second

var errClosed = errors.New("the database is closed")

// A store is the database, opened when it is needed and closed when it is not.
type store struct {
	dir string
	// beforeClose is called while the database is still open, by the goroutine that closes it.
	beforeClose func(*badger.DB)

	mu   sync.RWMutex // held for reading by each operation, for writing to open, close or empty the database
	db   *badger.DB   // nil: closed
	done bool         // closed for good
	used atomic.Int64 // when the database was last used, in nanoseconds of the clock
	idle *time.Timer  // runs while the database is open
}

func newStore(cacheDir string) *store {
	s := &store{dir: filepath.Join(cacheDir, place.Data), beforeClose: func(*badger.DB) {}}
	s.idle = time.AfterFunc(time.Hour, s.closeIdle)
	s.idle.Stop()
	return s
}

// use calls fn with the open database.
func (s *store) use(fn func(*badger.DB) error) error {
	s.mu.RLock()
	for s.db == nil {
		s.mu.RUnlock()
		if err := s.open(); err != nil {
			return err
		}
		s.mu.RLock()
	}
	defer s.mu.RUnlock()
	s.used.Store(time.Now().UnixNano())
	return fn(s.db)
}

func (s *store) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return errClosed
	}
	if s.db != nil {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := place.CheckSpace(s.dir, 0); err != nil {
		return err
	}
	if err := removeEmpty(s.dir); err != nil {
		return err
	}
	db, err := badger.Open(badgerOptions(s.dir))
	if err != nil {
		return err
	}
	s.db = db
	s.used.Store(time.Now().UnixNano())
	s.idle.Reset(idleTime)
	return nil
}

// removeEmpty removes log files of no bytes. A process that is killed between making such a file, or clearing it
// before its removal, and the next step leaves one, and Badger then fails to open: "Create a new file" (badger #2207).
func removeEmpty(dir string) error {
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, name := range names {
			if info, err := os.Lstat(name); err != nil || info.Size() > 0 {
				continue
			}
			if err := os.Remove(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// close closes the database for good.
func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	return s.closeLocked()
}

func (s *store) closeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if left := idleTime - time.Since(time.Unix(0, s.used.Load())); left > 0 && left <= idleTime {
		s.idle.Reset(left)
		return
	}
	// An error here leaves nothing to be done: what Badger has acknowledged is in its logs.
	s.closeLocked()
	debug.FreeOSMemory()
}

func (s *store) closeLocked() error {
	if s.db == nil {
		return nil
	}
	s.idle.Stop()
	s.beforeClose(s.db)
	err := s.db.Close()
	s.db = nil
	return err
}

// size is the disk space that the database takes. Its files have holes, so that their lengths say nothing.
func (s *store) size() uint64 {
	var blocks int64
	filepath.WalkDir(s.dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // Badger removes files as we walk
		}
		if info, err := e.Info(); err == nil {
			if st, ok := info.Sys().(*syscall.Stat_t); ok {
				blocks += st.Blocks
			}
		}
		return nil
	})
	return uint64(blocks) * 512
}
