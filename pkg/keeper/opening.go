package keeper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dgraph-io/badger/v4"
)

// openGeneration opens a database, if it is not. Without space it is opened for reading only, or the error is
// place.ErrNoSpace. Of errBroken it was moved aside.
func (s *store) openGeneration(g *generation, write bool) (err error) {
	switch {
	case g.ready(write):
		return nil
	case s.memory != "":
		g.db, err = badger.Open(memoryOptions())
	case !write && g.failed != nil && time.Since(g.failedAt) < failedTime:
		return g.failed
	default:
		if err = s.openOnDisk(g, write); !write {
			g.failed, g.failedAt = err, time.Now()
		}
	}
	if err == nil && g.anew && !g.readOnly {
		g.anew = false
		s.keep(g.db, true)
	}
	return err
}

// errNothing says that there is no database yet, and no space for one.
var errNothing = errors.New("nothing is stored")

func (s *store) openOnDisk(g *generation, write bool) error {
	if err := s.checkOwned(); err != nil {
		return err
	}
	begun, broken := manifest(g.dir)
	if broken {
		return s.moveAside(g, "its MANIFEST is missing")
	}
	full := s.checkSpace(0)
	switch {
	case full != nil && write:
		return full
	case full != nil && !begun:
		return fmt.Errorf("%w: %w", errNothing, full)
	}
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return err
	}
	if full != nil {
		if err := cutHoles(g.dir); err != nil {
			return fmt.Errorf("%w: %w", full, err)
		}
	}
	if err := removeEmpty(g.dir); err != nil {
		return err
	}
	if g.db != nil { // for reading only
		if err := s.inTime(patience, g.db.Close); err != nil {
			return err
		}
		g.db = nil
	}
	o, open := badgerOptions(g.dir), badger.Open
	o.CompactL0OnClose = crowded(g.dir)
	if full != nil {
		o, open = readOnlyOptions(g.dir), openReadOnly
	}
	o.Logger = &s.trouble
	s.crashes.opening(g)
	var db *badger.DB
	err := s.inTime(patience, func() (err error) {
		db, err = open(o)
		return err
	})
	if s.given() != nil {
		return err
	}
	g.db, g.readOnly = db, full != nil
	s.crashes.opened(g)
	s.idle.Reset(idleTime)
	switch {
	case err == nil:
		return nil
	case full != nil: // whether it can be opened, is seen when there is space
		return fmt.Errorf("%w: reading alone: %w", full, err)
	case final(err):
		return s.moveAside(g, err.Error())
	}
	return err
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
