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

// An output is where the records go: stdout, or with -o a file that appears
// whole when the job is done. Until then its name with ".partial" is the
// journal of the answers, and what is written stands in a file beside that,
// which the next run writes anew from the journal.
type output struct {
	io.Writer
	path    string // empty: stdout
	mode    fs.FileMode
	batch   bool // it comes from the Batch API
	journal *journal.Journal
	file    *os.File
}

func openOutput(sys *cli.System, path string, refresh, batch bool) (*output, error) {
	if path == "" || path == "-" {
		return &output{Writer: sys.Stdout}, nil
	}
	o := &output{path: path, mode: 0o666 &^ umask(), batch: batch}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		o.path = target // a link goes on leading there
	}
	switch info, err := os.Stat(o.path); {
	case err == nil && !info.Mode().IsRegular():
		return nil, cli.WithHint(cli.Usagef("-o: %s is no regular file", path), "write there with >")
	case err == nil:
		o.mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, cli.Usagef("-o: %w", err)
	}
	if _, err := os.Stat(o.batches()); err == nil && !batch {
		return nil, cli.WithHint(cli.Usagef("-o: %s holds batches that are submitted, and paid for", o.batches()), "collect them with --batch, or remove it")
	}
	j, err := journal.Open(o.partial(), refresh)
	if err != nil {
		return nil, cli.Usagef("-o: %w", err)
	}
	// Its name is always the same, so that what kill -9 leaves is used again. The journal's lock guards it.
	file, err := os.OpenFile(o.partial()+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		j.Close()
		return nil, cli.Usagef("-o: %w", err)
	}
	o.journal, o.file, o.Writer = j, file, file
	return o, nil
}

func (o *output) partial() string { return o.path + ".partial" }

// batches is the folder of batches that are under way.
func (o *output) batches() string { return o.path + ".batch" }

// commit puts the file in its place. After it, the journal is not needed.
func (o *output) commit() error {
	if o.file == nil {
		return nil
	}
	err := errors.Join(o.file.Chmod(o.mode), o.file.Sync())
	if err == nil {
		err = os.Rename(o.file.Name(), o.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(o.path))
	}
	if err == nil {
		err = o.journal.Remove()
	}
	if err == nil && o.batch {
		err = batch.Remove(o.batches())
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

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
