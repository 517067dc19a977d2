package keeper_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/keeper"
)

// byHand starts a keeper that stays, and connects to it.
func byHand(t *testing.T, dir string, notice func(string)) (*exec.Cmd, *hub.Client) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "serve", "--cache", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for !errors.Is(hub.Retire(ctx, dir), hub.ErrStays) && ctx.Err() == nil {
		time.Sleep(10 * time.Millisecond) // nothing says when it is there
	}
	c, err := hub.Open(ctx, hub.Config{Dir: dir, Notice: notice})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return cmd, c
}

// A keeper starts on a disk that is full to the last byte, gives out what was stored, however the one before ended,
// holds limits, stores nothing, and makes room.
func TestStartOnFullDisk(t *testing.T) {
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(end.String(), func(t *testing.T) {
			dir := keeper.SmallDisk(t)
			ctx := t.Context()
			values := map[string][]byte{"small": noise(3000), "in the value log": noise(900 << 10)}
			first, c := byHand(t, dir, nil)
			for name, value := range values {
				if err := c.Put(ctx, key(name), value, "m", 0); err != nil {
					t.Fatal(err)
				}
			}
			first.Process.Signal(end)
			first.Wait()
			empty := keeper.Fill(t, dir, 0)

			cmd, c := byHand(t, dir, nil)
			for name, value := range values {
				if got, ok, err := c.Get(ctx, key(name)); !ok || err != nil || !bytes.Equal(got, value) {
					t.Errorf("get %s: %v, %v", name, ok, err)
				}
			}
			if s, err := c.Stats(ctx); err != nil || s.Entries != 2 {
				t.Errorf("%+v, %v", s, err)
			}
			if err := c.Put(ctx, key("new"), []byte("new"), "m", 0); !errors.Is(err, hub.ErrNoSpace) {
				t.Errorf("put: %v", err)
			}
			if reserved, err := c.Start(ctx, hub.Budget{Name: "b", PerSecond: 100}, 1); !reserved || err != nil {
				t.Errorf("start: %v, %v", reserved, err)
			}
			if _, err := c.Purge(ctx, hub.Filter{Model: "m"}); !errors.Is(err, hub.ErrNoSpace) {
				t.Errorf("purge of a part: %v", err)
			}
			if n, err := c.Purge(ctx, hub.Filter{}); n != 2 || err != nil {
				t.Errorf("purge: %d, %v", n, err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, place.Data+"*")); len(left) > 0 {
				t.Error("still there: ", left)
			}
			empty()
			if err := c.Put(ctx, key("new"), []byte("new"), "m", 0); err != nil {
				t.Errorf("put when there is space again: %v", err)
			}
			cmd.Process.Signal(syscall.SIGTERM)
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A keeper whose disk fills up leaves without closing the database, which would kill it, and loses nothing.
func TestLeaveOnFullDisk(t *testing.T) {
	dir := keeper.SmallDisk(t)
	cmd, c := byHand(t, dir, nil)
	if err := c.Put(t.Context(), key("a"), []byte("answer"), "", 0); err != nil {
		t.Fatal(err)
	}
	empty := keeper.Fill(t, dir, 0)
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	empty()
	_, c = byHand(t, dir, nil)
	if got, ok, err := c.Get(t.Context(), key("a")); !ok || err != nil || string(got) != "answer" {
		t.Errorf("%q, %v, %v", got, ok, err)
	}
}

// To remove all values of a database that is open makes room too, though it cannot be closed: the keeper leaves.
func TestPurgeOnFullDisk(t *testing.T) {
	dir := keeper.SmallDisk(t)
	cmd, c := byHand(t, dir, nil)
	if err := c.Put(t.Context(), key("a"), noise(900<<10), "", 0); err != nil {
		t.Fatal(err)
	}
	keeper.Fill(t, dir, 0)
	if n, err := c.Purge(t.Context(), hub.Filter{}); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	cmd.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, place.Data+"*")); len(left) > 0 {
		t.Error("still there: ", left)
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil || int64(st.Bavail)*st.Bsize < 900<<10 {
		t.Errorf("%d bytes are free, %v", int64(st.Bavail)*st.Bsize, err)
	}
}

// A keeper whose database takes no writes tells who puts and leaves, though others read and it was started by hand.
func TestStuckKeeperLeaves(t *testing.T) {
	dir := t.TempDir()
	cmd, c := byHand(t, dir, nil)
	mustPut(t, c, "a", "a")
	keeper.TakeNames(t, filepath.Join(dir, place.Data+"1"))
	reading, stopReading := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	readers.Go(func() {
		for reading.Err() == nil {
			c.Get(reading, key("a")) // which waits for the writes before it
		}
	})
	var err error
	for n := uint64(0); err == nil && n < 100; n++ {
		err = c.Put(t.Context(), number(n), noise(400<<10), "", 0)
	}
	if err == nil {
		t.Error("all was taken")
	}
	t.Log(err)
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("it ended with %v", err)
	}
	stopReading()
	readers.Wait()
}
