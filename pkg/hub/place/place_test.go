package place

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func TestPrepare(t *testing.T) {
	parent := t.TempDir()
	folder := func(name string, mode fs.FileMode, files ...string) string {
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if err := os.WriteFile(filepath.Join(dir, f), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, c := range []struct {
		dir  string
		want error
	}{
		{filepath.Join(parent, "none", "yet"), nil},
		{folder("empty", 0o755), nil},
		{folder("cache", 0o775, OwnerLock, "other"), nil},
		{folder("private", 0o700, "other"), nil},
		{folder("home", 0o755, "other"), ErrShared},
		{folder("tmp", fs.ModeSticky|0o777), ErrShared},
	} {
		before, _ := os.Stat(c.dir)
		err := Prepare(c.dir)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.dir, err, c.want)
		}
		after, serr := os.Stat(c.dir)
		if serr != nil {
			t.Fatal(serr)
		}
		if err == nil && after.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", c.dir, after.Mode())
		}
		if err != nil && after.Mode() != before.Mode() {
			t.Errorf("%s was refused, and changed to %v", c.dir, after.Mode())
		}
	}
	if err := Prepare("/proc/self/fd/0/x"); err == nil {
		t.Error("a folder below no folder")
	}
}

func TestForeignFolder(t *testing.T) {
	dir := "/"
	if os.Geteuid() == 0 {
		dir = t.TempDir()
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Skip(err)
		}
	}
	if err := Prepare(dir); !errors.Is(err, ErrForeign) {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	a, err := TryLock(dir, "x")
	if a == nil || err != nil {
		t.Fatal(a, err)
	}
	if b, err := TryLock(dir, "x"); b != nil || err != nil {
		t.Fatal("locked twice", err)
	}
	got := make(chan error)
	go func() {
		b, err := WaitLock(dir, "x")
		if err == nil && !b.Named(dir, "x") {
			err = errors.New("got a lock that nobody else finds")
		}
		got <- err
	}()
	os.Remove(filepath.Join(dir, "x")) // as with the folder: whoever waits for the file that was, must not get it
	a.Unlock()
	if err := <-got; err != nil {
		t.Error(err)
	}
}

func TestListen(t *testing.T) {
	dir, run := t.TempDir(), t.TempDir()
	l, err := Listen(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	path, err := Socket(dir)
	if err != nil || path != filepath.Join(dir, "keeper.sock") {
		t.Fatalf("%s, %v", path, err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := CheckPeer(conn.(*net.UnixConn)); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}

	// The next listener takes the place, and the end of the first does not take it away.
	next, err := Listen(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	}
	next.Close()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the socket stays: ", err)
	}
}

func TestListenElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	run := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	if err := Prepare(dir); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ runtime, want string }{
		{run, filepath.Join(run, "gptpipe")},
		{filepath.Join(run, strings.Repeat("r", 100)), os.TempDir()},
		{"", os.TempDir()},
	} {
		l, err := Listen(dir, c.runtime)
		if err != nil {
			t.Fatal(err)
		}
		path, err := Socket(dir)
		if err != nil || !strings.HasPrefix(path, c.want) {
			t.Errorf("socket %s, %v, want it in %s", path, err, c.want)
		}
		if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("its folder has mode %v, %v", info.Mode(), err)
		}
		l.Close()
	}
}

func TestReadOnlyFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		// Root may write everywhere, so this thread goes without; it ends with the goroutine.
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			syscall.Setfsuid(65534)
		}
		_, err := TryLock(dir, StartLock)
		done <- err
	}()
	if err := <-done; !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
}
