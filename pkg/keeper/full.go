package keeper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sys/unix"
)

// On a disk that is full Badger must write nothing, for it dies of that, see place.MinFree. Then
//
//	a database that is closed   is opened for reading only
//	one that is open for more   stays so until there is space, or the keeper leaves without closing it
//	one that was never begun    is not begun
//
// and puts are answered by place.ErrNoSpace.

// readOnlyOptions open a database without writing to it.
func readOnlyOptions(dir string) badger.Options { return badgerOptions(dir).WithReadOnly(true) }

// tooLong finds in an error of opening a database for reading only which log must be cut first, and where.
var tooLong = regexp.MustCompile(`while opening fid: (\d+) .*end offset: (\d+) < size`)

// openReadOnly opens a database for reading only. A keeper that was killed has left logs in their full length, with
// nothing after what was written last, and Badger wants that cut off: what it does itself if it may write.
func openReadOnly(o badger.Options) (*badger.DB, error) {
	for cut := ""; ; {
		db, err := badger.Open(o)
		if err == nil {
			return db, nil
		}
		found := tooLong.FindStringSubmatch(err.Error())
		if found == nil || found[1] == cut {
			return nil, err
		}
		cut = found[1]
		log, _ := strconv.Atoi(found[1])
		end, _ := strconv.ParseInt(found[2], 10, 64)
		if err := os.Truncate(filepath.Join(o.Dir, fmt.Sprintf("%05d.mem", log)), end); err != nil {
			return nil, err
		}
	}
}

// cutHoles cuts off what a log has not used: it may be a hole, and a tmpfs takes memory for holes that are read, of which
// there is none left. The next keeper that may write would cut it too.
func cutHoles(dir string) error {
	logs, err := filepath.Glob(filepath.Join(dir, "*.mem"))
	if err != nil {
		return err
	}
	for _, path := range logs {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		err = cutHole(f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// cutHole cuts a file at the end of its last data: lseek(2).
func cutHole(f *os.File) error {
	for end := int64(0); ; {
		data, err := unix.Seek(int(f.Fd()), end, unix.SEEK_DATA)
		if err == unix.ENXIO { // nothing but a hole follows
			return f.Truncate(end)
		}
		if err == nil {
			end, err = unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE)
		}
		if err != nil {
			return err
		}
	}
}

// manifest says whether a folder has the file that says which tables a database is made of. Badger takes a folder
// without it for an empty database and removes the tables there, so that tables alone are a broken one.
func manifest(dir string) (there, broken bool) {
	if _, err := os.Lstat(filepath.Join(dir, badger.ManifestFilename)); !os.IsNotExist(err) {
		return true, false
	}
	tables, _ := filepath.Glob(filepath.Join(dir, "*.sst"))
	return false, len(tables) > 0
}
