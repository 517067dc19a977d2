package keeper_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
)

func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// A listing comes in parts of about a megabyte and is whole, and what is listed can be brought into another cache, as
// it was.
func TestListAndImport(t *testing.T) {
	from, to := open(t, t.TempDir()), open(t, t.TempDir())
	ctx := t.Context()
	want := make(map[hub.Key][]byte)
	put := func(name string, value []byte, ttl time.Duration) {
		t.Helper()
		if err := from.Put(ctx, key(name), value, "model "+name, ttl); err != nil {
			t.Fatal(err)
		}
		want[key(name)] = value
	}
	for n := range 1100 { // more than one part has
		put(fmt.Sprint("small ", n), []byte(fmt.Sprint("answer ", n)), time.Hour)
	}
	put("empty", []byte{}, 0)
	put("large", noise(5<<20), 0)
	put("gone", []byte("x"), time.Nanosecond)
	delete(want, key("gone"))

	n := 0
	last := hub.Key{}
	for e, err := range from.Entries(ctx, hub.Key{}, true) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; bytes.Compare(last[:], e.Key[:]) >= 0 || !bytes.Equal(e.Value, want[e.Key]) || e.Size != uint64(len(e.Value)) {
			t.Fatalf("entry %d: %x %s, %d bytes", n, e.Key[:4], e.Model, len(e.Value))
		}
		last = e.Key
		if ok, err := to.Import(ctx, e); !ok || err != nil {
			t.Fatalf("import of %s: %v, %v", e.Model, ok, err)
		}
	}
	if n != len(want) {
		t.Errorf("%d entries of %d", n, len(want))
	}
	all := func(c *hub.Client) (list []hub.Entry) {
		for e, err := range c.Entries(ctx, hub.Key{}, false) {
			if err != nil || len(e.Value) > 0 {
				t.Fatal(e, err)
			}
			list = append(list, e)
		}
		return list
	}
	a, b := all(from), all(to)
	if len(a) != len(b) || len(a) != len(want) {
		t.Fatalf("%d entries and %d", len(a), len(b))
	}
	for i := range a {
		if fmt.Sprint(a[i]) != fmt.Sprint(b[i]) {
			t.Fatalf("%+v came as %+v", a[i], b[i])
		}
	}
	if got, ok, err := to.Get(ctx, key("large")); !ok || err != nil || !bytes.Equal(got, want[key("large")]) {
		t.Error(ok, len(got), err)
	}
}

func TestImportKeepsTheNewer(t *testing.T) {
	c := open(t, t.TempDir())
	now := time.Now()
	bring := func(value string, stored, expires time.Time, want bool) {
		t.Helper()
		e := hub.Entry{Key: key("a"), Value: []byte(value), Stored: stored, Expires: expires}
		if ok, err := c.Import(t.Context(), e); ok != want || err != nil {
			t.Errorf("%s: %v, %v", value, ok, err)
		}
	}
	bring("expired", now.Add(-time.Hour), now.Add(-time.Minute), false)
	bring("from the year after", now.Add(365*24*time.Hour), time.Time{}, false)
	bring("hour old", now.Add(-time.Hour), now.Add(time.Hour), true)
	bring("hour old, again", now.Add(-time.Hour), time.Time{}, false)
	bring("day old", now.Add(-24*time.Hour), time.Time{}, false)
	bring("minute old", now.Add(-time.Minute), time.Time{}, true)
	if err := c.Put(t.Context(), key("a"), []byte("now"), "", 0); err != nil {
		t.Fatal(err)
	}
	bring("second old", now.Add(-time.Second), time.Time{}, false)
	if got, _, err := c.Get(t.Context(), key("a")); string(got) != "now" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := c.Import(t.Context(), hub.Entry{Value: make([]byte, 64<<20+1)}); !errors.Is(err, hub.ErrTooLarge) {
		t.Error(err)
	}
}

func TestCompactWhileInUse(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	ctx := t.Context()
	value := noise(4000)
	for n := range 4000 {
		if err := c.Put(ctx, number(uint64(n)), value, fmt.Sprint("m", n%4), 0); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := c.Purge(ctx, hub.Filter{Model: "m1"}); n != 1000 || err != nil {
		t.Fatal(n, err)
	}
	before, _ := c.Stats(ctx)
	done := make(chan error)
	go func() { done <- c.Compact(ctx) }()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			running = false
		default:
			n := rand.N(1000) * 4
			if got, ok, err := c.Get(ctx, number(uint64(n))); !ok || err != nil || !bytes.Equal(got, value) {
				t.Fatal(n, ok, err)
			}
		}
	}
	after, err := c.Stats(ctx)
	if err != nil || after.Entries != 3000 || after.Bytes > before.Bytes-3_000_000 {
		t.Errorf("%d KB before, %d KB after, %d entries, %v", before.Bytes>>10, after.Bytes>>10, after.Entries, err)
	}
}

// The keeper is killed again and again while generations follow each other. The bound holds; what was stored first is
// gone and what was stored after that is there and right; and no kill is taken for damage.
func TestKillsAcrossGenerations(t *testing.T) {
	dir := t.TempDir()
	const bound = 32_000_000
	cfg := config(dir)
	cfg.Command = append(cfg.Command, "--size", fmt.Sprint(bound))
	c, err := hub.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, dir)
	defer c.Close()
	ctx := t.Context()
	value := func(n int) []byte { return append(noise(30<<10), fmt.Sprint(n)...) }
	const entries, putters = 3 * bound / 2 / (30 << 10), 4
	var mu sync.Mutex
	var stored []int // in the order in which it was acknowledged
	var wg sync.WaitGroup
	for w := range putters {
		wg.Go(func() {
			for n := w; n < entries; n += putters {
				err := c.Put(ctx, number(uint64(n)), value(n), "m", 0)
				mu.Lock()
				if err == nil {
					stored = append(stored, n)
				}
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	kills := 0
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(rand.N(600 * time.Millisecond)): // a kill must come at any moment
			if s, err := c.Stats(ctx); err == nil {
				syscall.Kill(int(s.PID), syscall.SIGKILL)
				kills++
			}
		}
	}
	s, err := c.Stats(ctx)
	if err != nil {
		t.Fatal(err)
	}
	st, err := c.Storage(ctx)
	if err != nil || st.Bound != bound || st.Generations != 2 || len(st.Broken) > 0 {
		t.Errorf("%+v, %v", st, err)
	}
	there, first := 0, 0
	for i, n := range stored {
		got, ok, err := c.Get(ctx, number(uint64(n)))
		if err != nil || ok && !bytes.Equal(got, value(n)) {
			t.Fatalf("%d: %v, %d bytes", n, err, len(got))
		}
		switch {
		case ok:
			if there++; there == 1 {
				first = i
			}
		case there > 0 && i > first+2*putters: // they are not acknowledged quite in the order in which they were stored
			t.Errorf("the %d. of %d was stored and is not there, and the %d. is", i, len(stored), first)
		}
	}
	t.Logf("%d kills, %d entries stored, %d there, %d MB on disk", kills, len(stored), there, s.Bytes/1_000_000)
	if s.Bytes > bound || there < bound/8/(30<<10) {
		t.Errorf("%d bytes on disk", s.Bytes)
	}
	names, _ := filepath.Glob(filepath.Join(dir, "data-*"))
	if len(names) > 3 { // one may be on its way out
		t.Error(names)
	}
	if _, err := os.Stat(filepath.Join(dir, "crash.last")); err == nil {
		b, _ := os.ReadFile(filepath.Join(dir, "crash.last"))
		t.Errorf("a keeper crashed: %.2000s", b)
	}
}
