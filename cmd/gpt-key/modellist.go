package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// How long a list is good for completions, and how long no list is asked for
// after one could not be had.
const (
	listLife  = 24 * time.Hour
	listPause = time.Minute
)

// A modelList is the file with the models of an endpoint, for completions.
type modelList struct{ path string }

func newModelList(cacheDir, endpoint, profile string) modelList {
	if cacheDir == "" {
		return modelList{}
	}
	name := fmt.Sprintf("%x", sha256.Sum256([]byte(endpoint+"\n"+profile)))
	return modelList{filepath.Join(cacheDir, "models", name)}
}

// complete writes the list to out. One that is too old is asked for, unless
// only what is kept may be given; if that fails, the old one serves.
func (l modelList) complete(out io.Writer, onlyKept bool, ask func() ([]byte, error)) error {
	names, err := os.ReadFile(l.path)
	if info, failed := os.Stat(l.path); err == nil && failed == nil && time.Since(info.ModTime()) < listLife || onlyKept {
		_, err = out.Write(names)
		return err
	}
	asked, err := ask()
	if err == nil {
		names = asked
		err = l.store(names)
	} else if failed := l.store(names); failed == nil {
		// The next key press is not to wait, too.
		again := time.Now().Add(listPause - listLife)
		failed = os.Chtimes(l.path, again, again)
		err = errors.Join(err, failed)
	}
	_, failed := out.Write(names)
	return errors.Join(err, failed)
}

// store makes the list appear whole.
func (l modelList) store(names []byte) error {
	if l.path == "" {
		return errors.New("neither HOME nor XDG_CACHE_HOME is set")
	}
	dir := filepath.Dir(l.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, bytes.NewReader(names))
	if failed := f.Close(); err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), l.path)
}
