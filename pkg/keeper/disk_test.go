package keeper

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// SmallDisk gives a folder on a disk that is full after some 60 MiB, which only root can have made.
func SmallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a small disk")
	}
	if err := syscall.Mount("gptpipe-test", dir, "tmpfs", 0, "size=128m,mode=0700"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// Fill leaves nothing of a disk but what leave says, until empty is called.
func Fill(t *testing.T, dir string, leave int64) (empty func()) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize-leave); err != nil {
		t.Fatal(err)
	}
	return func() { os.Remove(f.Name()) }
}
