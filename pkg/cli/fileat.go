package cli

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrOpenFile says that a path leads to a file by way of a process that has it open.
var ErrOpenFile = errors.New("it is a file that is open")

// maxLinks is how many symbolic links are followed, as by the kernel.
const maxLinks = 40

// FileAt is where a path leads whose file is to be replaced: a link goes on leading there, also to a file that is yet to
// be. With what leads to an open file, as /dev/stdout does, it returns ErrOpenFile: that file would be replaced behind
// the back of who opened it.
func FileAt(path string) (string, error) {
	for range maxLinks {
		var at unix.Statfs_t
		if err := unix.Statfs(filepath.Dir(path), &at); err == nil && at.Type == unix.PROC_SUPER_MAGIC {
			return "", ErrOpenFile
		}
		to, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(to) {
			to = filepath.Dir(path) + "/" + to // not cleaned: before ".." there may be another link
		}
		path = to
	}
	return path, nil
}
