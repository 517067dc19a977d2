package journal

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate sees to it that the disk has the reserve beyond a size that the file is to have: room that is the file's own,
// and not of its length. Its error says that the disk is full; what is in flight then fits into the reserve that there
// was. A file system that gives no room in advance, as some over a network, leaves the file without.
func (j *Journal) allocate(size int64) error {
	if j.reserve == 0 || size+j.reserve <= j.allocated {
		return nil
	}
	more := size + 2*j.reserve - j.allocated
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		err = unix.Fallocate(int(j.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, j.allocated, more)
	}
	switch {
	case err == nil:
		j.allocated += more
	case noSpace(err):
		return &os.PathError{Op: "allocate", Path: j.file.Name(), Err: err}
	default:
		j.reserve = 0
	}
	return nil
}

func noSpace(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// SyncDir has the names in a directory reach the disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
