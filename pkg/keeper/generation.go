package keeper

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/place"
)

// A generation is one database, in a folder of its own whose name ends in its number. Numbers only grow.
type generation struct {
	dir    string // "": in memory
	number uint64
	db     *badger.DB   // nil: closed
	held   atomic.Int64 // bytes put, if in memory
}

// What the name of a generation's folder ends in when it is none any more.
const (
	goneSuffix   = ".gone"    // it is being removed
	brokenSuffix = ".broken-" // it was moved aside, and when
)

// find takes the two generations with the highest numbers for its own, and removes what a keeper that was killed had
// still to remove.
func (s *store) find() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*generation
	if s.memory == "" {
		entries, err := os.ReadDir(s.dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			number, suffix, ok := parseName(e.Name())
			if !ok {
				continue
			}
			s.next = max(s.next, number)
			g := &generation{dir: filepath.Join(s.dir, e.Name()), number: number}
			switch suffix {
			case "":
				found = append(found, g)
			case goneSuffix:
				s.removing.Go(func() { os.RemoveAll(g.dir) })
			}
		}
	}
	slices.SortFunc(found, func(a, b *generation) int { return cmp.Compare(b.number, a.number) })
	for len(found) > 2 {
		s.removing.Go(found[len(found)-1].remove)
		found = found[:len(found)-1]
	}
	if len(found) == 0 {
		found = append(found, s.fresh())
	}
	s.younger = found[0]
	if len(found) > 1 {
		s.older = found[1]
	}
	return nil
}

// parseName takes the name of a generation's folder apart.
func parseName(name string) (number uint64, suffix string, ok bool) {
	rest, ok := strings.CutPrefix(name, place.Data)
	if !ok {
		return 0, "", false
	}
	digits, _, _ := strings.Cut(rest, ".")
	number, err := strconv.ParseUint(digits, 10, 63)
	return number, rest[len(digits):], err == nil
}

// fresh names a generation that is not there yet. The caller holds mu.
func (s *store) fresh() *generation {
	s.next++
	if s.memory != "" {
		return &generation{number: s.next}
	}
	return &generation{dir: filepath.Join(s.dir, place.Data+strconv.FormatUint(s.next, 10)), number: s.next}
}

// openGeneration opens a database. Of errBroken it was moved aside.
func (s *store) openGeneration(g *generation) (err error) {
	if s.memory != "" {
		g.db, err = badger.Open(memoryOptions())
		return err
	}
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return err
	}
	if err := s.checkSpace(0); err != nil {
		return err
	}
	if err := removeEmpty(g.dir); err != nil {
		return err
	}
	o := badgerOptions(g.dir)
	o.CompactL0OnClose = crowded(g.dir)
	s.crashes.opening(g)
	err = inTime(func() error { g.db, err = badger.Open(o); return err })
	s.crashes.opened(g)
	if final(err) {
		return s.moveAside(g, err.Error())
	}
	return err
}

// patience is how long a database may take to open or close, which is a matter of milliseconds. What Badger cannot write
// it tries again for ever, and both wait for that.
const patience = time.Minute

// inTime ends the process if fn does not return in time: others could not have the folder as long as it waits.
func inTime(fn func() error) error {
	late := time.AfterFunc(patience, func() { panic("the database neither opens nor closes") })
	defer late.Stop()
	return fn()
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

// remove closes a database that nobody uses any more and removes it. If that is cut short it is known by its name.
func (g *generation) remove() {
	if g.db != nil {
		g.db.DropAll() // or to close it would write and compact first
		inTime(g.db.Close)
	}
	if g.dir == "" {
		return
	}
	gone := g.dir + goneSuffix
	if os.Rename(g.dir, gone) == nil {
		os.RemoveAll(gone)
	}
}

// size is the space that a generation takes.
func (g *generation) size() int64 {
	if g == nil {
		return 0
	}
	if g.dir == "" {
		return g.held.Load()
	}
	return diskUse(g.dir)
}

// diskUse is the disk space that a folder takes. Badger's files have holes, so that their lengths say nothing.
func diskUse(dir string) int64 {
	var blocks int64
	filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
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
	return blocks * 512
}
