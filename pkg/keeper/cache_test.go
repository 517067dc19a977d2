package keeper_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/keeper"
)

func TestPutGet(t *testing.T) {
	c := open(t, t.TempDir())
	ctx := t.Context()
	if _, ok, err := c.Get(ctx, key("a")); ok || err != nil {
		t.Fatal(ok, err)
	}
	noise := make([]byte, 64<<20)
	rand.NewChaCha8([32]byte{}).Read(noise)
	for _, n := range []int{2000, 0, 1, 512<<10 - 13, 512<<10 - 12, 1 << 20, 5 << 20, 64 << 20} {
		if err := c.Put(ctx, key("a"), noise[:n], "m", time.Hour); err != nil {
			t.Fatalf("put %d bytes: %v", n, err)
		}
		got, ok, err := c.Get(ctx, key("a"))
		if !ok || err != nil || !bytes.Equal(got, noise[:n]) {
			t.Fatalf("get %d bytes: %d bytes, %v, %v", n, len(got), ok, err)
		}
	}
	err := c.Put(ctx, key("a"), make([]byte, 64<<20+1), "m", time.Hour)
	if e, ok := errors.AsType[*hub.Error](err); !ok || !e.Permanent || !errors.Is(err, hub.ErrTooLarge) {
		t.Errorf("put too much: %v", err)
	}
}

func TestTTL(t *testing.T) {
	c := open(t, t.TempDir())
	ctx := t.Context()
	if err := errors.Join(
		c.Put(ctx, key("short"), []byte("x"), "", 20*time.Millisecond),
		c.Put(ctx, key("long"), []byte("x"), "", time.Hour),
		c.Put(ctx, key("ever"), []byte("x"), "", 0),
	); err != nil {
		t.Fatal(err)
	}
	for ok := true; ok; {
		var err error
		if _, ok, err = c.Get(ctx, key("short")); err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range []string{"long", "ever"} {
		if _, ok, err := c.Get(ctx, key(k)); !ok || err != nil {
			t.Errorf("%s: %v, %v", k, ok, err)
		}
	}
}

func TestStatsAndPurge(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	ctx := t.Context()
	for _, m := range []string{"gpt-4o", "gpt-4o-mini", "gpt-5"} {
		for _, k := range []string{"a", "b"} {
			if err := c.Put(ctx, key(m+k), []byte("x"), m, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.Get(ctx, key("gpt-5a"))
	c.Get(ctx, key("nothing"))
	other := open(t, dir)
	if _, err := other.Totals(ctx); err != nil { // a user for sure once it has been answered
		t.Fatal(err)
	}
	s, err := c.Stats(ctx)
	if err != nil || s.Entries != 6 || s.Stores != 6 || s.Hits != 1 || s.Misses != 1 || s.Users != 1 || s.Bytes == 0 {
		t.Errorf("stats %+v, %v", s, err)
	}
	other.Close()

	purge := func(f hub.Filter, want int) {
		t.Helper()
		if n, err := c.Purge(ctx, f); n != want || err != nil {
			t.Errorf("purge %+v: %d, %v", f, n, err)
		}
	}
	purge(hub.Filter{Older: time.Hour}, 0)
	purge(hub.Filter{Model: "gpt-4o-m"}, 2)
	if _, ok, _ := c.Get(ctx, key("gpt-4o-minia")); ok {
		t.Error("purged, and there")
	}
	purge(hub.Filter{Model: "gpt-4o", Older: time.Hour}, 0)
	purge(hub.Filter{Model: "gpt-4o", Older: time.Nanosecond}, 2)
	c.Add(ctx, map[string]float64{"n": 1}, nil)
	purge(hub.Filter{}, 2)
	if _, ok, _ := c.Get(ctx, key("gpt-5a")); ok {
		t.Error("purged, and there")
	}
	stop(t, dir)
	if m, err := c.Totals(ctx); err != nil || m["n"] != 1 {
		t.Errorf("counters after a purge and a restart: %v, %v", m, err)
	}
}

// Empty logs are what a killed process can leave, and Badger refuses to open with.
func TestEmptyLogs(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	if err := c.Put(t.Context(), key("a"), []byte("x"), "", 0); err != nil {
		t.Fatal(err)
	}
	stop(t, dir)
	for _, name := range []string{"00009.mem", "000009.vlog"} {
		if err := os.WriteFile(filepath.Join(dir, place.Data+"1", name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, ok, err := c.Get(t.Context(), key("a")); !ok || err != nil {
		t.Error(ok, err)
	}
}

func TestFullDisk(t *testing.T) {
	dir := keeper.SmallDisk(t)
	c := open(t, dir)
	ctx := t.Context()
	before := pid(t, c)
	value := make([]byte, 900<<10)
	rand.NewChaCha8([32]byte{}).Read(value)
	if err := c.Put(ctx, key("first"), value, "", 0); err != nil {
		t.Fatal(err)
	}
	var err error
	for n := 0; err == nil && n < 200; n++ {
		err = c.Put(ctx, key(string(rune(n))), value, "", 0)
	}
	if e, ok := errors.AsType[*hub.Error](err); !ok || e.Permanent || !errors.Is(err, hub.ErrNoSpace) {
		t.Fatalf("put on a full disk: %v", err)
	}
	if got, ok, err := c.Get(ctx, key("first")); !ok || err != nil || !bytes.Equal(got, value) {
		t.Errorf("get on a full disk: %v, %v", ok, err)
	}
	if pid(t, c) != before {
		t.Error("the keeper died of it")
	}
}
