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

// The name of a folder is the same before it is made and after, through whichever link.
func TestResolve(t *testing.T) {
	real, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(real, "a", "b")
	for _, made := range []bool{false, true} {
		if made {
			if err := os.MkdirAll(want, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for _, dir := range []string{want, filepath.Join(link, "a", "b"), filepath.Join(link, "x", "..", "a", "b")} {
			if got, err := Resolve(dir); got != want || err != nil {
				t.Errorf("made %v: %s is %s, %v", made, dir, got, err)
			}
		}
	}
}

// Before the first keeper has named its socket, it is where systemd may be listening for it.
func TestSocketBeforeTheFirstKeeper(t *testing.T) {
	dir := t.TempDir()
	if path, err := Socket(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s, %v", path, err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "keeper.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if path, err := Socket(dir); path != l.Addr().String() || err != nil {
		t.Errorf("%s, %v", path, err)
	}
}

// A socket that somebody else has bound is found through the folder, and stays when the keeper leaves.
func TestAdopt(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	for _, path := range []string{filepath.Join(elsewhere, "s.sock"), filepath.Join(dir, "s.sock")} {
		bound, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l, err := Adopt(dir, bound)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Socket(dir); got != path || err != nil {
			t.Errorf("%s, %v", got, err)
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckListener(conn.(*net.UnixConn)); err != nil {
			t.Error(err)
		}
		conn.Close()
		l.Close()
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	abstract, err := net.ListenUnix("unix", &net.UnixAddr{Name: "@gptpipe-test-" + filepath.Base(elsewhere), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	if _, err := Adopt(dir, abstract); err == nil {
		t.Error("a socket without a path cannot be named for clients")
	}
}

// Only what is known to be shared over a network is: see also the keeper's tests, which mount such a file system.
func TestBase(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "not", "there"), "/proc/x", "/"} {
		if base, network, err := Base(dir); base != dir || network != "" || err != nil {
			t.Errorf("%s: %s, %q, %v", dir, base, network, err)
		}
	}
	if name := mountType("/proc"); name != "proc" {
		t.Errorf("/proc is of type %q", name)
	}
}

// A disk without room for more files is as full as one without space.
func TestCheckSpace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a small disk")
	}
	for options, full := range map[string]bool{
		"size=128m,nr_inodes=500": false,
		"size=128m,nr_inodes=50":  true,
		"size=60m,nr_inodes=500":  true,
		"size=128m,nr_inodes=0":   false, // no bound, and 0 is what statfs says
	} {
		dir := t.TempDir()
		if err := syscall.Mount("gptpipe-test", dir, "tmpfs", 0, options); err != nil {
			t.Skipf("cannot mount: %v", err)
		}
		err := CheckSpace(dir, 0)
		syscall.Unmount(dir, syscall.MNT_DETACH)
		if errors.Is(err, ErrNoSpace) != full {
			t.Errorf("%s: %v", options, err)
		}
	}
}

// Where a full disk has no room for the socket's name, the socket is found in the folder itself.
func TestListenOnFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("gptpipe-test", dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	defer syscall.Unmount(dir, syscall.MNT_DETACH)
	if err := os.WriteFile(filepath.Join(dir, nameFile), []byte("/elsewhere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	l, err := Listen(dir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if path, err := Socket(dir); err != nil || path != filepath.Join(dir, socketFile) {
		t.Errorf("%s, %v", path, err)
	}
}
