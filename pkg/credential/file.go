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
// others are refused, not read. Where keys/PROFILE is a symbolic link, as
// managers of dotfiles make them, the key is what it leads to, and is replaced
// and deleted there; if that is no key, the link alone is.
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

// place is the path of the file that has the key of profile, behind symbolic
// links. One that leads to anything else is not followed: what is there is not
// ours to replace. A key that others may get at is ours if it has the time at
// which it was set.
func (f Files) place(profile string) string {
	path := f.Path(profile)
	behind, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	e, err := readEntry(behind)
	if err != nil && (e.Set.IsZero() || !errors.As(err, new(*FileModeError))) {
		return path
	}
	return behind
}

// beside is the path of a file of our own beside the one at path. Names of
// profiles do not begin with a dot.
func beside(path, end string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+end)
}

// lockPath is beside the file, where a login that is refreshed is written too:
// all that share the file go by one lock.
func (f Files) lockPath(profile string) string {
	if f.ConfigDir == "" {
		return ""
	}
	return beside(f.place(profile), "lock")
}

func ours(info fs.FileInfo) bool {
	owner, known := info.Sys().(*syscall.Stat_t)
	return known && int(owner.Uid) == os.Geteuid()
}

// openRegular opens a file to be read. A FIFO must not hold up the command until
// somebody writes to it.
func openRegular(path string) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// Get reads the key of profile.
func (f Files) Get(_ context.Context, profile string) (Entry, error) {
	if err := f.check(profile); err != nil {
		return Entry{}, err
	}
	e, err := readEntry(f.Path(profile))
	if err != nil {
		return Entry{}, err
	}
	return e, nil
}

// readEntry reads a key file. Owner and permissions are those of the file that
// was opened. With a *FileModeError there may be an entry, which is not to be used.
func readEntry(path string) (Entry, error) {
	file, info, err := openRegular(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Entry{}, ErrNoEntry
	case err != nil:
		return Entry{}, cause(err)
	}
	defer file.Close()
	if !ours(info) {
		return Entry{}, errNotOwner
	}
	var e Entry
	text, err := readSome(file)
	if err == nil {
		e, err = decodeEntry(text)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		err = &FileModeError{path, mode}
	}
	return e, cause(err)
}

// Set writes the key of profile, mode 0600 from the first moment, into a
// folder of mode 0700, unless that is elsewhere and linked to, so that the file
// is either the old one or the new one even after a loss of power.
func (f Files) Set(ctx context.Context, profile string, e Entry) error {
	if err := f.check(profile); err != nil {
		return err
	}
	text, err := e.encode()
	if err != nil {
		return err
	}
	keys := filepath.Dir(f.Path(profile))
	if err := os.MkdirAll(keys, 0o700); err != nil {
		return err
	}
	if info, err := os.Lstat(keys); err == nil && info.IsDir() {
		if err := os.Chmod(keys, 0o700); err != nil {
			return err
		}
	}
	path := f.place(profile)
	d, err := hold(ctx, filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := f.clear(profile, path); err != nil {
		return err
	}
	// The name is always the same, so that a process that is killed leaves no key
	// that nobody knows of.
	file, err := os.OpenFile(beside(path, "new"), os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
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
	path := f.place(profile)
	d, err := hold(ctx, filepath.Dir(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNoEntry
	case err != nil:
		return err
	}
	defer d.Close()
	if err := f.clear(profile, path); err != nil {
		return err
	}
	err = os.Remove(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNoEntry
	case err != nil:
		return err
	}
	if err := os.Remove(f.Path(profile)); err != nil && !errors.Is(err, fs.ErrNotExist) { // the link
		return err
	}
	return d.Sync()
}

// clear removes the temporary files of profile, whose place is path: those of Set
// and reserve, and those that ended in a random number, as they did once.
func (f Files) clear(profile, path string) error {
	for _, end := range []string{"new", "refresh"} {
		if err := os.Remove(beside(path, end)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
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
