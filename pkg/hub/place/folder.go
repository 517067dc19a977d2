// Package place knows where the shared state of a cache folder is: the files in it, who may touch them, the locks that
// order the processes around it, and the socket of its keeper. Client and keeper both follow it.
//
// In a cache folder, mode 0700, stand
//
//	start.lock    locked by the client that is starting a keeper
//	keeper.lock   locked by the keeper as long as it lives
//	keeper.sock   the keeper's socket, unless the folder's path is too long for one
//	socket        a line that names the socket, so that cron and a login shell find the same one
//	data-1-N      the databases; the first number is that of the schema, and of those with the same the two with the
//	              highest N are in use
//	data-1-N.…    one that was moved aside because it cannot be read, with the time, or that is being removed
//	budgets-1     how far rate budgets have been used; the number is that of the schema
//	leases-1      who asks the model for what; the same
//	crash         what the Go runtime wrote when the keeper crashed, after a line of the keeper's own
//
// If the cache folder is on a network file system, they stand in a local folder in its stead, see Base.
//
// All files have mode 0600. A socket that cannot stand here stands in $XDG_RUNTIME_DIR/gptpipe, else in a folder of
// the user's in the folder for temporary files.
package place

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// The files of a cache folder.
const (
	StartLock = "start.lock"
	OwnerLock = "keeper.lock"
	Data      = "data-1-" // and a number
	Crash     = "crash"
	Budgets   = "budgets-1"
	Leases    = "leases-1"
)

// MinFree is how much space, in bytes, a disk must have left for the database to be opened or written. Badger writes
// through mapped sparse files, so that a full disk is no error but a signal, SIGBUS, that nothing can catch. One table
// in memory and two on their way to disk, of 16 MiB at most each, must still fit.
//
// MinFiles is how many more files the disk must take. A compaction that cannot create one of its tables goes on without
// it (badger 4.9.6, levels.go, subcompact) and what was in it is lost. It makes a table of each 4 MiB, up to some forty
// of what Badger lets level 0 and the next hold, and two compactions run at once.
//
// MinFile is how long this process's files must be allowed to become, in bytes: Badger maps twice the log of the largest
// value. With less it panics half-way, which the next keeper would take for damage.
const (
	MinFree  = 64 << 20
	MinFiles = 100
	MinFile  = 160 << 20
)

var (
	// ErrForeign says that a folder, or what answers on a socket, belongs to another user.
	ErrForeign = errors.New("belongs to another user")
	// ErrShared says that a folder holds other things and that others may enter it.
	ErrShared = errors.New("is open to others and holds other files: give the cache a folder of its own")
	// ErrNoSpace says that the disk has less than MinFree or MinFiles left.
	ErrNoSpace = errors.New("no space left on device")
)

// Resolve gives the one name of a cache folder that all processes agree on, absolute and without symbolic links. The
// folder need not exist.
func Resolve(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for there, missing := dir, ""; ; there, missing = filepath.Dir(there), filepath.Join(filepath.Base(there), missing) {
		if real, err := filepath.EvalSymlinks(there); err == nil {
			return filepath.Join(real, missing), nil
		}
		if there == filepath.Dir(there) {
			return dir, nil
		}
	}
}

// Prepare makes a folder, with its parents, or checks the one that is there: it must be the user's. One that others
// may enter is closed to them if it is empty or was a cache folder before; any other is refused, because it may be a
// home directory or a root's /tmp, given by mistake.
func Prepare(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !mine(info) {
		return fmt.Errorf("%s %w", dir, ErrForeign)
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if info.Mode()&fs.ModeSticky != 0 || !ours(dir) {
		return fmt.Errorf("%s %w", dir, ErrShared)
	}
	return os.Chmod(dir, 0o700)
}

func mine(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

// ours looks once: another process may be making the first files just now, and locks are the first.
func ours(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && (len(entries) == 0 || slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() == StartLock || e.Name() == OwnerLock
	}))
}

// CheckSpace returns ErrNoSpace if the file system of dir has less than MinFree and extra bytes, or MinFiles, left, or
// the limit on the size of this process's files (RLIMIT_FSIZE) is below MinFile.
func CheckSpace(dir string, extra int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(unix.RLIMIT_FSIZE, &limit); err == nil && limit.Cur < MinFile {
		return fmt.Errorf("%s: %w (files of %d MiB at most, %d needed)", dir, ErrNoSpace, limit.Cur>>20, MinFile>>20)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return &fs.PathError{Op: "statfs", Path: dir, Err: err}
	}
	// Some file systems do not say, and have no blocks, or no files, at all.
	if free := st.Bavail * uint64(st.Bsize); st.Blocks > 0 && free < MinFree+uint64(extra) {
		return fmt.Errorf("%s: %w (%d MiB free, %d needed)", dir, ErrNoSpace, free>>20, (MinFree+extra)>>20)
	}
	if st.Files > 0 && st.Ffree < MinFiles {
		return fmt.Errorf("%s: %w (room for %d more files, %d needed)", dir, ErrNoSpace, st.Ffree, MinFiles)
	}
	return nil
}
