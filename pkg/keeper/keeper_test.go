package keeper_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/hub/place"
)

func TestColdStartByManyGivesOneKeeper(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { stop(t, dir) })
	pids := make([]string, 20)
	var wg sync.WaitGroup
	for i := range pids {
		wg.Go(func() {
			out, err := exec.Command(os.Args[0], "client", dir).CombinedOutput()
			if err != nil {
				t.Errorf("client %d: %v: %s", i, err, out)
			}
			pids[i] = string(out)
		})
	}
	wg.Wait()
	for _, p := range pids {
		if p != pids[0] || p == "" {
			t.Fatalf("keepers %q", pids)
		}
	}
}

// What waits for the end of a starter's output must not wait for the keeper: neither on its standard files nor on
// others that it was given, as make gives a job server.
func TestKeeperInheritsNothing(t *testing.T) {
	dir := t.TempDir()
	t.Cleanup(func() { stop(t, dir) })
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "client", dir)
	cmd.Stderr = w
	cmd.ExtraFiles = []*os.File{w}
	out, err := cmd.Output() // waits until all writers of stdout are gone
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if b, err := io.ReadAll(r); err != nil || len(b) > 0 { // the same of the rest
		t.Fatalf("%q, %v", b, err)
	}

	proc := filepath.Join("/proc", strings.TrimSpace(string(out)))
	for fd := range 3 {
		if file, err := os.Readlink(filepath.Join(proc, "fd", strconv.Itoa(fd))); file != os.DevNull {
			t.Errorf("descriptor %d of the keeper is %s, %v", fd, file, err)
		}
	}
	if cwd, err := os.Readlink(filepath.Join(proc, "cwd")); cwd != "/" {
		t.Errorf("the keeper is in %s, %v", cwd, err)
	}
	env, err := os.ReadFile(filepath.Join(proc, "environ"))
	if err != nil || strings.Contains(string(env), "PATH=") {
		t.Errorf("the keeper has the environment %q, %v", env, err)
	}
}

func TestLeavesWithItsLastUser(t *testing.T) {
	dir := t.TempDir()
	cfg := config(dir)
	cfg.Linger = 0
	a, err := hub.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	b, err := hub.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	a.Close()
	if err := b.Put(t.Context(), key("x"), []byte("x"), "", 0); err != nil {
		t.Fatal(err)
	}
	b.Close()
	gone(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "keeper.sock")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket stays: %v", err)
	}
}

// gone waits until no keeper has the folder.
func gone(t *testing.T, dir string) {
	t.Helper()
	lock, err := place.WaitLock(dir, place.OwnerLock)
	if err != nil {
		t.Fatal(err)
	}
	lock.Unlock()
}

func TestStaleSocket(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	first := pid(t, c)
	syscall.Kill(first, syscall.SIGKILL)
	gone(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "keeper.sock")); err != nil {
		t.Fatal(err)
	}
	if second := pid(t, open(t, dir)); second == first {
		t.Fatal("a dead keeper answers")
	}
	// The first client finds the new keeper too.
	if err := c.Put(t.Context(), key("x"), []byte("x"), "", 0); err != nil {
		t.Fatal(err)
	}
}

func TestStoppedKeeperHoldsNobodyLongerThanTheContext(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	p := pid(t, c)
	suspend(t, p)
	defer syscall.Kill(p, syscall.SIGCONT)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, _, err := c.Get(ctx, key("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get: %v", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := hub.Open(ctx, config(dir)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("open: %v", err)
	}
}

// A folder that is removed under a running keeper gets another one, and the first leaves that one's socket alone.
func TestFolderRemovedUnderTheKeeper(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	old := open(t, dir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	if pid(t, c) == pid(t, old) {
		t.Fatal("the keeper of the removed folder answers")
	}
	if err := old.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "keeper.sock")); err != nil {
		t.Fatal(err)
	}
}

func TestSocketElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("d", 100))
	run := t.TempDir()
	cfg := config(dir)
	cfg.RuntimeDir = run
	c, err := hub.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, dir)
	defer c.Close()
	path, err := place.Socket(dir)
	if err != nil || filepath.Dir(path) != filepath.Join(run, "gptpipe") {
		t.Errorf("socket %s, %v", path, err)
	}
	// Another process of the user, that has no such runtime folder, finds the same keeper.
	other, err := hub.Open(t.Context(), hub.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if pid(t, other) != pid(t, c) {
		t.Error("two keepers")
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	c := open(t, dir)
	if err := c.Put(t.Context(), key("x"), make([]byte, 2<<20), "", 0); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := e.Info(); err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Who removes the folder under a keeper begins anew: all come to one keeper, and what the first is given reaches it.
func TestFolderIsRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	first := open(t, dir)
	if err := first.Put(t.Context(), key("before"), []byte("x"), "", 0); err != nil {
		t.Fatal(err)
	}
	before := pid(t, first)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	second := open(t, dir)
	after := pid(t, second)
	if after == before {
		t.Fatal("the keeper is the same")
	}
	if err := first.Put(t.Context(), key("after"), []byte("y"), "", 0); err != nil {
		t.Fatal(err)
	}
	if p := pid(t, first); p != after {
		t.Errorf("the first is with keeper %d, the second with %d", p, after)
	}
	for name, want := range map[string]bool{"before": false, "after": true} {
		if _, found, err := second.Get(t.Context(), key(name)); found != want || err != nil {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
	for syscall.Kill(before, 0) == nil {
		time.Sleep(10 * time.Millisecond)
	}

	// One that has nothing to do but count notices it, too.
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for pid(t, first) == after {
		if _, err := first.Add(t.Context(), map[string]float64{"n": 1}, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}
