package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/journal"
)

// What is kept of the disk for each answer in flight, in bytes, before any is known: as much as the longest usual ones
// take, but where very many are in flight less, so that all together take no more than mostReserve.
const (
	usualRoom   = 256 << 10
	mostReserve = 64 << 20
)

// An output is where the records go: stdout, or with -o a file that appears
// whole when the job is done. Until then its name with ".partial" is the
// journal of the answers, and what is written stands in a file beside that,
// which the next run writes anew from the journal.
type output struct {
	io.Writer
	path    string // empty: stdout
	mode    fs.FileMode
	journal *journal.Journal
	file    *os.File
	given   atomic.Bool // it was given up
}

func openOutput(sys *cli.System, path string, refresh, forBatch bool, inFlight int) (*output, error) {
	if path == "-" {
		return &output{Writer: sys.Stdout}, nil
	}
	to, err := target(path)
	if err != nil {
		return nil, err
	}
	o := &output{path: to, mode: 0o666 &^ umask()}
	switch info, err := os.Stat(o.path); {
	case err == nil && !info.Mode().IsRegular():
		return nil, cli.WithHint(cli.Usagef("-o: %s is no regular file", path), "write there with >")
	case err == nil:
		o.mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, cli.Usagef("-o: %w", err)
	}
	switch underWay, err := batch.UnderWay(o.batches()); {
	case errors.Is(err, batch.ErrDamaged):
		return nil, damagedState(fmt.Errorf("-o: %w", err), o.batches())
	case err != nil:
		return nil, cli.Usagef("-o: %w", err)
	case underWay && !forBatch:
		return nil, cli.WithHint(cli.Usagef("-o: %s holds batches that are submitted, and paid for", o.batches()), "collect them with --batch, or remove it")
	}
	j, err := journal.Open(o.partial(), refresh, min(mostReserve/int64(inFlight), usualRoom))
	switch {
	case journal.Full(err):
		return nil, fmt.Errorf("-o: %w", err)
	case err != nil:
		return nil, cli.Usagef("-o: %w", err)
	}
	j.Scarce(func() {
		sys.Log.Warnf("%s has little room for answers in flight: at times fewer are asked for at once than --jobs says", filepath.Dir(o.path))
	})
	// Its name is always the same, so that what kill -9 leaves does not pile up, and is removed, wherever it may lead. The
	// journal's lock guards it.
	name := o.partial() + ".new"
	if err = os.Remove(name); err == nil || errors.Is(err, fs.ErrNotExist) {
		o.file, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	}
	if err != nil {
		j.Close()
		return nil, cli.Usagef("-o: %w", err)
	}
	o.journal, o.Writer = j, o.file
	return o, nil
}

// openJournal opens the journal of an output, if there is one, to look into it.
func openJournal(path string, refresh bool) (*journal.Journal, error) {
	if path == "-" {
		return nil, nil
	}
	to, err := target(path)
	if err != nil {
		return nil, err
	}
	j, err := journal.Look((&output{path: to}).partial(), refresh)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, cli.Usagef("-o: %w", err)
	}
	return j, nil
}

// target is where the path of an output leads.
func target(path string) (string, error) {
	to, err := cli.FileAt(path)
	if err != nil {
		return "", cli.Usagef("-o wants a file of its own; for standard output leave it out")
	}
	return to, nil
}

// lost is how many answers were paid for that the journal could not take.
func (o *output) lost() int {
	if o.journal == nil {
		return 0
	}
	return o.journal.Lost()
}

var errGivenUp = errors.New("what was written of the output is given up, to make room for answers")

func (o *output) Write(p []byte) (int, error) {
	if o.given.Load() {
		return 0, errGivenUp
	}
	return o.Writer.Write(p)
}

// giveUp makes room on the disk: what is written of the file the next run writes anew.
func (o *output) giveUp() {
	o.given.Store(true)
	_ = o.file.Truncate(0) // it was worth a try
}

func (o *output) partial() string { return o.path + ".partial" }

// batches is the folder of batches that are under way.
func (o *output) batches() string { return o.path + ".batch" }

// commit puts the file in its place. After it, the journal is not needed, unless it is to be kept.
func (o *output) commit(keep bool) error {
	if o.file == nil {
		return nil
	}
	err := errors.Join(o.file.Chmod(o.mode), o.file.Sync())
	if err == nil {
		err = os.Rename(o.file.Name(), o.path)
	}
	if err == nil {
		err = journal.SyncDir(filepath.Dir(o.path))
	}
	if err == nil && !keep {
		err = o.journal.Remove()
	}
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	return nil
}

// close leaves what the next run needs.
func (o *output) close() error {
	if o.file == nil {
		return nil
	}
	err := errors.Join(o.file.Close(), o.journal.Close())
	if rerr := os.Remove(o.file.Name()); !errors.Is(rerr, fs.ErrNotExist) { // as it is after a commit
		err = errors.Join(err, rerr)
	}
	if err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	return nil
}

func umask() fs.FileMode {
	mask := syscall.Umask(0o077) // which can only be read by setting it
	syscall.Umask(mask)
	return fs.FileMode(mask)
}
