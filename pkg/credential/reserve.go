package credential

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// spare is by how many bytes a login may grow when it is refreshed.
const spare = 4 << 10

// A reserve is a file that has on disk the room for what is to take the place
// of a profile's login: whether it can be stored shows before the server is
// asked. Whoever makes one holds the login's lock.
type reserve struct {
	file *os.File
	path string // whose place it takes
}

// reserve makes room for a login like e.
func (f Files) reserve(profile string, e Entry) (*reserve, error) {
	text, err := e.encode()
	if err != nil {
		return nil, err
	}
	path := f.place(profile)
	name := beside(path, "refresh")
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	r := &reserve{file, path}
	if err := r.write(text + strings.Repeat("\n", spare)); err != nil {
		r.discard()
		return nil, err
	}
	return r, nil
}

// write makes text the content, over what is there.
func (r *reserve) write(text string) error {
	_, err := r.file.WriteAt([]byte(text), 0)
	if err == nil {
		err = r.file.Truncate(int64(len(text)))
	}
	if err == nil {
		err = r.file.Sync()
	}
	return err
}

// commit stores e, as Files.Set does.
func (r *reserve) commit(e Entry) error {
	text, err := e.encode()
	if err != nil {
		return err
	}
	if err := r.write(text + "\n"); err != nil {
		return err
	}
	if err := os.Rename(r.file.Name(), r.path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(r.path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// discard gives the room back, unless it was used.
func (r *reserve) discard() {
	r.file.Close()
	os.Remove(r.file.Name())
}
