package keeper_test

import (
	"os"
	"syscall"
	"testing"
)

// smallDisk gives a folder on a disk that is full after some 60 MiB, which only root can have made.
func smallDisk(t *testing.T) string {
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
