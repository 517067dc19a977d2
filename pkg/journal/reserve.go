package journal

import (
	"errors"
	"math"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// allocate sees to it that the disk has the reserve beyond a size that the file is to have: room that is the file's own,
// and not of its length. Its error says that the disk is full, or the file as long as it may be; what is in flight then
// fits into the reserve that there was. A file system that gives no room in advance, as some over a network, leaves the file without.
func (j *Journal) allocate(size int64) error {
	switch {
	case j.reserve == 0:
		return nil
	case size+j.reserve > longest():
		return &os.PathError{Op: "allocate", Path: j.file.Name(), Err: unix.EFBIG}
	case size+j.reserve <= j.allocated:
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
	case Full(err):
		return &os.PathError{Op: "allocate", Path: j.file.Name(), Err: err}
	default:
		j.reserve = 0
	}
	return nil
}

// Full reports whether an error says that there is no more room, on the disk or for a file of its size.
func Full(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// longest is how long a file of this process may be, in bytes, which allocating does not keep to.
var longest = sync.OnceValue(func() int64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil || limit.Cur > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(limit.Cur)
})

// SyncDir has the names in a directory reach the disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
