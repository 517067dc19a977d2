package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/journal"
)

// What is kept of the disk for answers in flight, in bytes: for each as much as the longest usual ones take.
const (
	reservePerJob = 16 << 10
	leastReserve  = 1 << 20
	mostReserve   = 64 << 20
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
	case err != nil:
		return nil, cli.Usagef("-o: %w", err)
	case underWay && !forBatch:
		return nil, cli.WithHint(cli.Usagef("-o: %s holds batches that are submitted, and paid for", o.batches()), "collect them with --batch, or remove it")
	}
	j, err := journal.Open(o.partial(), refresh, min(max(int64(inFlight)*reservePerJob, leastReserve), mostReserve))
	switch {
	case errors.Is(err, syscall.EFBIG):
		return nil, cli.WithHint(fmt.Errorf("-o: %w", err), "ulimit -f must leave room for answers in flight: more than a MiB, or 16 KiB for each of --jobs")
	case journal.Full(err):
		return nil, fmt.Errorf("-o: %w", err)
	}
	if err != nil {
		return nil, cli.Usagef("-o: %w", err)
	}
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
