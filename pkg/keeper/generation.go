package keeper

import (
	"cmp"
	"errors"
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
	dir      string // "": in memory
	number   uint64
	db       *badger.DB   // nil: closed
	readOnly bool         // it is open for reading only
	anew     bool         // what else is to be kept is not in it yet
	held     atomic.Int64 // bytes put, if in memory

	failed   error // why it could not be opened for reading
	failedAt time.Time
}

// ready says whether a database is open, for writing if need be.
func (g *generation) ready(write bool) bool { return g != nil && g.db != nil && !(write && g.readOnly) }

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
		g := found[len(found)-1]
		s.removing.Go(func() { s.remove(g) })
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

// successor is a generation that takes the younger's place.
func (s *store) successor() *generation {
	g := s.fresh()
	g.anew = true
	return g
}

// remove closes a database that nobody uses any more and removes it. If that is cut short it is known by its name.
func (s *store) remove(g *generation) {
	if g.db != nil {
		s.discard(g)
	}
	if g.dir == "" || errors.Is(s.given(), errRemoved) { // its path may be the next keeper's
		return
	}
	gone := g.dir + goneSuffix
	if os.Rename(g.dir, gone) == nil {
		os.RemoveAll(gone)
	}
}

// discard closes a database whose values nobody wants. One that cannot be closed is closed by the end of the keeper,
// which gives its disk space back.
func (s *store) discard(g *generation) {
	switch err := cmp.Or(s.checkSpace(0), s.trouble.now()); {
	case g.readOnly:
		s.inTime(patience, g.db.Close)
	case err != nil:
		s.giveUp(err)
	default:
		s.inTime(patience, func() error {
			g.db.DropAll() // or to close it would write and compact first
			return g.db.Close()
		})
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
