package batch

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// writeFile makes path hold what write writes, whole or not at all, and returns
// when it is on the disk.
func writeFile(path string, write func(*os.File) error) error {
	f, err := os.OpenFile(path+".tmp", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lock makes dir, and keeps other processes out of it until the file is closed.
func lock(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	for {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was removed between the two, by a run that was done
		}
		if err != nil {
			return nil, err
		}
		switch err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
		case err == nil:
			mine, err := f.Stat()
			there, statErr := os.Stat(path)
			if err == nil && statErr == nil && os.SameFile(mine, there) {
				return f, nil
			}
			f.Close()
			continue // likewise
		case errors.Is(err, syscall.EWOULDBLOCK):
			err = ErrInUse
		default:
			err = &fs.PathError{Op: "flock", Path: path, Err: err}
		}
		f.Close()
		return nil, err
	}
}

// UnderWay reports whether the folder of a job tells of batches that are
// submitted and not collected.
func UnderWay(dir string) (bool, error) { return has(dir, (*part).underWay) }

// Any reports whether it tells of any that are submitted, be they collected.
func Any(dir string) (bool, error) { return has(dir, (*part).submitted) }

func has(dir string, such func(*part) bool) (bool, error) {
	s, err := readState(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return slices.ContainsFunc(s.Parts, such), err
}

// Remove deletes the folder of a job whose results are safe, unless another
// process is at work there. What tells of batches under way, which the last Run
// had no need of, stays: its input may have been a part of what was meant.
func Remove(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l, err := lock(dir)
	if errors.Is(err, ErrInUse) {
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Close()
	s, err := readState(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !slices.ContainsFunc(s.Parts, (*part).underWay) {
		return os.RemoveAll(dir)
	}
	var rest []*part
	var files []string
	for _, p := range s.Parts {
		if p.underWay() {
			rest = append(rest, p)
		} else {
			files = append(files, p.requests(), p.results())
		}
	}
	s.Parts = rest
	if err := s.write(dir); err != nil {
		return err
	}
	err = nil
	for _, name := range files {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, name))) // which bears that there is none
	}
	return err
}
