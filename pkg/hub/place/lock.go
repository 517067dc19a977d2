package place

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// A Lock is a file that one process at a time holds. The system frees it when that process ends, however it ends.
type Lock struct{ f *os.File }

// TryLock takes the lock of that name in dir. Without wait it returns nil, nil when another holds it.
func TryLock(dir, name string) (*Lock, error) {
	return lock(dir, name, syscall.LOCK_EX|syscall.LOCK_NB)
}

// WaitLock is TryLock that waits.
func WaitLock(dir, name string) (*Lock, error) { return lock(dir, name, syscall.LOCK_EX) }

func lock(dir, name string, how int) (*Lock, error) {
	path := filepath.Join(dir, name)
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(f, how); err != nil {
			f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, nil
			}
			return nil, &fs.PathError{Op: "flock", Path: path, Err: err}
		}
		l := &Lock{f}
		if l.Named(dir, name) {
			return l, nil
		}
		// The folder was emptied meanwhile: what is locked here, nobody else can find.
		f.Close()
	}
}

func flock(f *os.File, how int) error {
	for {
		if err := syscall.Flock(int(f.Fd()), how); err != syscall.EINTR {
			return err
		}
	}
}

// Named says whether the lock is still the one that others would find under its name.
func (l *Lock) Named(dir, name string) bool {
	held, err := l.f.Stat()
	if err != nil {
		return false
	}
	found, err := os.Lstat(filepath.Join(dir, name))
	return err == nil && os.SameFile(held, found)
}

// Removed says whether the file is not there any more, or another is in its place.
func (l *Lock) Removed(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return errors.Is(err, fs.ErrNotExist) || err == nil && !l.Named(dir, name)
}

// Unlock gives the lock back. The file stays.
func (l *Lock) Unlock() error { return l.f.Close() }
