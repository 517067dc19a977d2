package observe

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

var one = map[string]float64{CacheHits.Series("gpt-map", "m"): 1}

// alone fails if a folder holds more than a file of the given name.
func alone(t *testing.T, dir, name string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != name {
			t.Errorf("%s is left behind", e.Name())
		}
	}
}

func TestWriteFile(t *testing.T) {
	// The collector runs as another user, whatever the umask.
	defer syscall.Umask(syscall.Umask(0o077))
	dir := t.TempDir()
	path := filepath.Join(dir, "gpt.prom")
	for i := range 2 {
		if err := WriteFile(path, one); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, expose(t, one)) {
			t.Errorf("time %d: %s, error %v", i, got, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o644 {
			t.Errorf("time %d: mode %v, error %v", i, info.Mode(), err)
		}
	}
	alone(t, dir, "gpt.prom")
}

// A collector that reads in between must find the old file or the new one.
func TestWriteFileIsNeverSeenHalf(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gpt.prom")
	many := map[string]float64{}
	for i := range 2000 {
		many[CacheHits.Series("gpt-map", string(rune('a'+i%26))+string(rune(0x4e00+i)))] = 1
	}
	sizes := map[int]bool{len(expose(t, one)): true, len(expose(t, many)): true}
	if err := WriteFile(path, one); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var all sync.WaitGroup
	for _, totals := range []map[string]float64{one, many} {
		all.Go(func() {
			for range 30 {
				if err := WriteFile(path, totals); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { all.Wait(); close(done) }()
	for {
		got, err := os.ReadFile(path)
		if err != nil || !sizes[len(got)] {
			t.Fatalf("%d bytes, error %v", len(got), err)
		}
		select {
		case <-done:
			return
		default:
		}
	}
}

// mounted makes a folder of its own file system, of one page, or skips the
// test where that is not allowed.
func mounted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4k,mode=755"); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// Whatever goes wrong, the old file is whole and nothing else is left.
func TestWriteFileFails(t *testing.T) {
	many := map[string]float64{}
	for i := range 200 {
		many[CacheHits.Series("gpt-map", string(rune(0x4e00+i)))] = 1
	}
	t.Run("the disk is full", func(t *testing.T) {
		dir := mounted(t)
		path := filepath.Join(dir, "gpt.prom")
		if err := WriteFile(path, one); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, many); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("error %v", err)
		}
		unharmed(t, dir, path)
	})
	t.Run("the file system is read-only", func(t *testing.T) {
		dir := mounted(t)
		path := filepath.Join(dir, "gpt.prom")
		if err := WriteFile(path, one); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
			t.Skipf("remount: %v", err)
		}
		if err := WriteFile(path, many); !errors.Is(err, syscall.EROFS) {
			t.Errorf("error %v", err)
		}
		unharmed(t, dir, path)
	})
	folder := func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "gpt.prom")
		if err := WriteFile(path, one); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o500); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(dir, 0o700)
		if err := WriteFile(path, many); !errors.Is(err, os.ErrPermission) {
			t.Errorf("error %v", err)
		}
		unharmed(t, dir, path)
	}
	if os.Geteuid() != 0 { // root may write every folder
		t.Run("the folder may not be written", folder)
	}
	t.Run("the name is taken by a folder", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "gpt.prom")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := WriteFile(path, one); err == nil {
			t.Error("no error")
		}
		alone(t, dir, "gpt.prom")
	})
	t.Run("there is no such folder", func(t *testing.T) {
		if err := WriteFile(filepath.Join(t.TempDir(), "none", "gpt.prom"), one); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
}

func unharmed(t *testing.T, dir, path string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, expose(t, one)) {
		t.Errorf("the old file is %q, error %v", got, err)
	}
	alone(t, dir, filepath.Base(path))
}
