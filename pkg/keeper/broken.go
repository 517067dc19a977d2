package keeper

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"

	"gptpipe/pkg/hub/proto"
)

// errBroken says that a database cannot be read and was moved aside.
var errBroken = errors.New("database was broken and is moved aside")

const (
	maxBroken = 2     // copies that are kept
	whyFile   = "why" // in such a copy
)

// finalErrors are Badger's words for a database that will not open again, however often it is tried. Badger has no
// types for most of them. They were found by damaging each kind of its files in many ways.
var finalErrors = []string{
	"manifest has bad magic",
	"manifest has checksum mismatch",
	"manifest has unsupported version",
	"Manifest file might be corrupted",
	"MANIFEST invalid",
	"MANIFEST file has invalid manifestChange op",
	"external magic number doesn't match",
	"file does not exist for table",
	"failed to initialize table",
	"failed to verify checksum",
	"checksum mismatch",
	"Level validation",
	".sst with size: 0",
	"proto: cannot parse invalid wire-format data",
	"Encryption key mismatch",
	"Error while reading IV for key registry. err: EOF",
	"Error while reading sanity text. err: EOF",
	"Invalid datakey id",
}

// passingErrors are those of a machine that is full, busy or out of order, and not of the database.
var passingErrors = []syscall.Errno{
	syscall.EPERM, syscall.EACCES, syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EIO,
	syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.EBUSY, syscall.ETXTBSY, syscall.EINTR,
	syscall.ESTALE, syscall.ENODEV, syscall.ENXIO, syscall.ENOLCK, syscall.ETIMEDOUT,
}

// final says whether an error of opening a database is known to stay. Any other may pass, and a whole good cache would
// be lost with it.
func final(err error) bool {
	return err != nil && !passes(err.Error()) && slices.ContainsFunc(finalErrors, func(words string) bool {
		return strings.Contains(err.Error(), words)
	})
}

func passes(text string) bool {
	return slices.ContainsFunc(passingErrors, func(e syscall.Errno) bool { return strings.Contains(text, e.Error()) })
}

// moveAside gives a database that is not open another name, which says when, and returns errBroken.
func (s *store) moveAside(g *generation, why string) error {
	why, _, _ = strings.Cut(strings.TrimSpace(why), "\n")
	aside := g.dir + brokenSuffix + time.Now().UTC().Format("20060102T150405Z")
	if err := os.Rename(g.dir, aside); err != nil {
		return fmt.Errorf("%s; moving it aside: %w", why, err)
	}
	os.WriteFile(filepath.Join(aside, whyFile), []byte(why+"\n"), 0o600) // without it the copy is as good
	for all := s.broken(); len(all) > maxBroken; all = all[1:] {
		os.RemoveAll(all[0].dir)
	}
	s.notices.add(fmt.Sprintf("the cache database could not be read and was moved to %s: %s", aside, why))
	return fmt.Errorf("%w: %s", errBroken, why)
}

// A brokenCopy is a database that was moved aside.
type brokenCopy struct{ dir, when, why string }

// broken finds them, those moved longest ago first.
func (s *store) broken() (all []brokenCopy) {
	if s.memory != "" {
		return nil
	}
	names, _ := filepath.Glob(filepath.Join(s.dir, "*"+brokenSuffix+"*"))
	for _, dir := range names {
		if _, suffix, ok := parseName(filepath.Base(dir)); ok {
			why, _ := os.ReadFile(filepath.Join(dir, whyFile))
			all = append(all, brokenCopy{dir, strings.TrimPrefix(suffix, brokenSuffix), strings.TrimSpace(string(why))})
		}
	}
	slices.SortFunc(all, func(a, b brokenCopy) int { return cmp.Or(cmp.Compare(a.when, b.when), cmp.Compare(a.dir, b.dir)) })
	return all
}

// notices are what a user is to be told: each once, through the next client that connects.
type notices struct {
	mu   sync.Mutex
	text []string
}

func (n *notices) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.text = append(n.text, text)
}

// take answers all that has not been told, in one line.
func (n *notices) take() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := strings.Join(n.text, "; ")
	n.text = nil
	for len(text) > proto.MaxNotice {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}
