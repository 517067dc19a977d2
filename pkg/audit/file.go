package audit

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gptpipe/pkg/panics"
)

// ErrBusy says that another process held the log for longer than 3 s: one that
// was stopped while it wrote.
var ErrBusy = errors.New("another process holds the audit log")

var errNotRegular = errors.New("not a regular file")

const patience = 3 * time.Second

// A log is a file and its older generations.
type log struct {
	path string
	size int64 // at which a new file is begun
	kept int   // generations behind it
}

func standard(path string) log { return log{path, 8 << 20, 3} }

func (l log) append(r *Record) error {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o700); err != nil {
		return err
	}
	f, err := l.current()
	if err != nil {
		return err
	}
	defer f.Close()
	// Made only now, so that the times in the file are in order.
	line, err := r.line()
	if err != nil {
		return err
	}
	if line, err = fresh(f, line); err != nil {
		return err
	}
	_, err = f.Write(line)
	return err
}

// current opens the file to append to, alone, after it has begun a new one if
// the old is full.
func (l log) current() (*os.File, error) {
	for {
		f, err := open(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, syscall.LOCK_EX)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		switch {
		case err != nil:
		case info.Size() >= l.size:
			err = l.shift()
			f.Close()
			if err == nil {
				continue
			}
			return nil, err
		case info.Mode().Perm()&0o077 != 0:
			err = f.Chmod(0o600)
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
}

// shift makes room at path, whose file the caller has locked. Generations move
// only as far as the first gap, which a process that was killed here left.
func (l log) shift() error {
	gap := 1
	for gap < l.kept {
		if _, err := os.Lstat(l.generation(gap)); errors.Is(err, fs.ErrNotExist) {
			break
		}
		gap++
	}
	for ; gap > 0; gap-- {
		if err := os.Rename(l.generation(gap-1), l.generation(gap)); err != nil {
			return err
		}
	}
	return nil
}

// generation is the path of the n-th file behind the current one.
func (l log) generation(n int) string {
	if n == 0 {
		return l.path
	}
	return fmt.Sprintf("%s.%d", l.path, n)
}

// open opens and locks the file that is at path when it has the lock: one that
// was renamed while it waited belongs to the past.
func open(path string, flags, lock int) (*os.File, error) {
	for deadline := time.Now().Add(patience); ; {
		// A FIFO must not hold up the command.
		f, err := os.OpenFile(path, flags|syscall.O_NONBLOCK, 0o600)
		if err != nil {
			return nil, err
		}
		there, err := f.Stat()
		if err == nil && !there.Mode().IsRegular() {
			err = &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		if err := flock(f, lock, time.Until(deadline)); err != nil {
			return nil, err
		}
		if now, err := os.Stat(path); err == nil && os.SameFile(there, now) {
			return f, nil
		}
		f.Close()
	}
}

// flock waits for a lock on f no longer than patience, and closes f if it does
// not get it. The system call waits its turn, but cannot be ended: it is left
// behind.
func flock(f *os.File, how int, patience time.Duration) error {
	done := make(chan error, 1)
	panics.Go(func() {
		err := error(syscall.EINTR)
		for errors.Is(err, syscall.EINTR) {
			err = syscall.Flock(int(f.Fd()), how)
		}
		done <- err
	})
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case err := <-done:
		if err != nil {
			f.Close()
			return &fs.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
		return nil
	case <-late.C:
		panics.Go(func() { <-done; f.Close() })
		return ErrBusy
	}
}

// fresh puts a newline before line if the file ends in half a one.
func fresh(f *os.File, line []byte) ([]byte, error) {
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil || end == 0 {
		return line, err
	}
	last := []byte{0}
	if _, err := f.ReadAt(last, end-1); err != nil {
		return nil, err
	}
	if last[0] != '\n' {
		line = append([]byte{'\n'}, line...)
	}
	return line, nil
}
