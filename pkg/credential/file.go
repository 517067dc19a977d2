package credential

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Files is the store of keys in files keys/PROFILE of the folder of the
// configuration, for machines without a keyring. A file is its owner's alone:
// others are refused, not read.
type Files struct{ ConfigDir string }

var errNoConfigDir = errors.New("no folder of configuration: neither $XDG_CONFIG_HOME nor $HOME is set")

// A FileModeError is a key file that others may get at.
type FileModeError struct {
	Path string
	Mode fs.FileMode // the permissions
}

func (e *FileModeError) Error() string {
	return fmt.Sprintf("permissions %04o, so that others may get at it: chmod 600 %s", e.Mode, e.Path)
}

var (
	errNotOwner   = errors.New("it is another user's")
	errNotRegular = errors.New("not a regular file")
)

// Path is where the key of profile is.
func (f Files) Path(profile string) string {
	return filepath.Join(f.ConfigDir, "keys", profile)
}

// Get reads the key of profile. A symbolic link is followed; owner and
// permissions are those of the file that was opened.
func (f Files) Get(_ context.Context, profile string) (Entry, error) {
	if err := f.check(profile); err != nil {
		return Entry{}, err
	}
	path := f.Path(profile)
	// A FIFO must not hold up the command until somebody writes to it.
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Entry{}, ErrNoEntry
	case err != nil:
		return Entry{}, cause(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Entry{}, cause(err)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return Entry{}, errNotRegular
	case !known || int(owner.Uid) != os.Geteuid():
		return Entry{}, errNotOwner
	case info.Mode().Perm()&0o077 != 0:
		return Entry{}, &FileModeError{path, info.Mode().Perm()}
	}
	text, err := readSome(file)
	if err != nil {
		return Entry{}, cause(err)
	}
	return decodeEntry(text)
}

// Set writes the key of profile, mode 0600 from the first moment, into a
// folder of mode 0700, so that the file is either the old one or the new one
// even after a loss of power.
func (f Files) Set(_ context.Context, profile string, e Entry) error {
	if err := f.check(profile); err != nil {
		return err
	}
	text, err := e.encode()
	if err != nil {
		return err
	}
	path := f.Path(profile)
	folder := filepath.Dir(path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		return err
	}
	// Names of profiles do not begin with a dot.
	file, err := os.CreateTemp(folder, "."+profile+".*")
	if err != nil {
		return err
	}
	_, err = file.WriteString(text + "\n")
	if err == nil {
		err = file.Sync()
	}
	if e := file.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
		return err
	}
	return syncFolder(folder)
}

// Delete removes the key of profile.
func (f Files) Delete(_ context.Context, profile string) error {
	if err := f.check(profile); err != nil {
		return err
	}
	path := f.Path(profile)
	err := os.Remove(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNoEntry
	case err != nil:
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func (f Files) check(profile string) error {
	if f.ConfigDir == "" {
		return errNoConfigDir
	}
	return CheckProfile(profile)
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
