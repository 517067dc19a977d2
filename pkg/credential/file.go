package credential

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
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
func (f Files) Set(ctx context.Context, profile string, e Entry) error {
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
	d, err := hold(ctx, folder)
	if err != nil {
		return err
	}
	defer d.Close()
	file, err := f.temporary(profile)
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
	return d.Sync()
}

// Delete removes the key of profile, and what a process that was killed while
// it set one has left.
func (f Files) Delete(ctx context.Context, profile string) error {
	if err := f.check(profile); err != nil {
		return err
	}
	path := f.Path(profile)
	d, err := hold(ctx, filepath.Dir(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNoEntry
	case err != nil:
		return err
	}
	defer d.Close()
	if err := f.clear(profile); err != nil {
		return err
	}
	err = os.Remove(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNoEntry
	case err != nil:
		return err
	}
	return d.Sync()
}

// temporary makes the file that is to become the one of profile. Its name is
// always the same, so that a process that is killed leaves no key that nobody
// knows of. Names of profiles do not begin with a dot.
func (f Files) temporary(profile string) (*os.File, error) {
	if err := f.clear(profile); err != nil {
		return nil, err
	}
	path := filepath.Join(f.ConfigDir, "keys", "."+profile+".new")
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
}

// clear removes the temporary files of profile: those of temporary and reserve,
// and those that ended in a random number, as they did once.
func (f Files) clear(profile string) error {
	folder := filepath.Join(f.ConfigDir, "keys")
	files, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, file := range files {
		end, ours := strings.CutPrefix(file.Name(), "."+profile+".")
		if !ours || end != "new" && end != "refresh" && strings.Trim(end, "0123456789") != "" {
			continue
		}
		if err := os.Remove(filepath.Join(folder, file.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// hold opens folder and locks it until it is closed: those who write in it
// share the name of the temporary file. Where there are no locks there is none.
func hold(ctx context.Context, folder string) (*os.File, error) {
	d, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	if err := flock(ctx, d, lockPatience); ctx.Err() != nil || errors.As(err, new(*BusyError)) {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (f Files) check(profile string) error {
	if f.ConfigDir == "" {
		return errNoConfigDir
	}
	return CheckProfile(profile)
}
