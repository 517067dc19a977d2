package keeper_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/hub/place"
)

// A cache folder on a network file system: all is kept in memory and found by every process on this machine, the user
// is told once, and the folder is not even made.
func TestNetworkFolder(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	home := remoteDisk(t)
	dir := filepath.Join(home, ".cache", "gptpipe")
	if _, network, err := place.Base(dir); err != nil || network != "fuse.sshfs" {
		t.Fatalf("%q, %v", network, err)
	}
	var notices []string
	cfg := config(dir)
	cfg.Notice = func(text string) { notices = append(notices, text) }
	c, err := hub.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, dir)
	defer c.Close()
	if err := c.Put(t.Context(), key("a"), []byte("answer"), "m", time.Hour); err != nil {
		t.Fatal(err)
	}
	cfg.Command = nil // so that it can only find the one that is there
	other, err := hub.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if got, ok, err := other.Get(t.Context(), key("a")); !ok || err != nil || string(got) != "answer" {
		t.Errorf("%q, %v, %v", got, ok, err)
	}
	if len(notices) != 1 || !strings.Contains(notices[0], "fuse.sshfs") {
		t.Errorf("told: %q", notices)
	}
	if s, err := c.Storage(t.Context()); err != nil || !strings.Contains(s.Memory, "fuse.sshfs") {
		t.Errorf("%+v, %v", s, err)
	}
	if err := c.Put(t.Context(), key("b"), noise(1<<20+100), "m", 0); !errors.Is(err, hub.ErrNoSpace) {
		t.Errorf("a value that memory does not take: %v", err)
	}
	if n, err := c.Purge(t.Context(), hub.Filter{}); n != 1 || err != nil {
		t.Errorf("purge: %d, %v", n, err)
	}
	databases, _ := filepath.Glob(filepath.Join(os.TempDir(), "gptpipe-*", "*", place.Data+"*"))
	if len(databases) > 0 {
		t.Error("there is a database on disk:", databases)
	}
}

// A folder for temporary files that is no better is an error and not a keeper with locks that lie.
func TestNetworkEverywhere(t *testing.T) {
	home := remoteDisk(t)
	t.Setenv("TMPDIR", home)
	_, err := hub.Open(t.Context(), config(filepath.Join(home, "cache")))
	if e, ok := errors.AsType[*hub.Error](err); !ok || !e.Permanent {
		t.Error(err)
	}
}

// remoteDisk gives a folder on a file system that the kernel takes for sshfs, which has nothing in it and takes nothing.
// Only root can mount it.
func remoteDisk(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("needs FUSE and root: %v", err)
	}
	dir := t.TempDir()
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)
	if err := syscall.Mount("gptpipe-test", dir, "fuse.sshfs", syscall.MS_NOSUID|syscall.MS_NODEV, options); err != nil {
		syscall.Close(fd)
		t.Skipf("cannot mount: %v", err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { serveFUSE(t, fd) })
	t.Cleanup(func() {
		syscall.Unmount(dir, syscall.MNT_DETACH)
		serving.Wait()
		syscall.Close(fd)
	})
	return dir
}

// serveFUSE answers the kernel's requests for an empty folder, until it is unmounted: fuse(4).
func serveFUSE(t *testing.T, fd int) {
	const (
		lookup, forget, getattr, statfs, initialise, interrupt, destroy = 1, 2, 3, 17, 26, 36, 38
	)
	le := binary.LittleEndian
	buf := make([]byte, 1<<20)
	for {
		n, err := syscall.Read(fd, buf)
		if err == syscall.EINTR || err == syscall.ENOENT || err == syscall.EAGAIN {
			continue
		}
		if err != nil {
			return // ENODEV: unmounted
		}
		out := make([]byte, 16)
		copy(out[8:], buf[8:16]) // the request's number
		fail := func(e syscall.Errno) { le.PutUint32(out[4:], uint32(-int32(e))) }
		switch op := le.Uint32(buf[4:n]); op {
		case forget, interrupt, destroy:
			continue
		case initialise:
			body := make([]byte, 64)
			le.PutUint32(body, 7) // the protocol, 7.31
			le.PutUint32(body[4:], 31)
			le.PutUint32(body[20:], 4096) // the largest write
			out = append(out, body...)
		case getattr:
			body := make([]byte, 104)
			le.PutUint64(body[16:], 1)       // inode
			le.PutUint32(body[76:], 0o40700) // mode
			le.PutUint32(body[80:], 2)       // links
			out = append(out, body...)
		case statfs:
			out = append(out, make([]byte, 80)...)
		case lookup:
			fail(syscall.ENOENT)
		default:
			t.Logf("the folder was asked for operation %d", op)
			fail(syscall.ENOSYS)
		}
		le.PutUint32(out, uint32(len(out)))
		syscall.Write(fd, out)
	}
}
