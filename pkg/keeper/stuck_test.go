package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
)

// TakeNames leaves no name for the next tables of a database, so that Badger cannot write them and waits for ever.
func TakeNames(t *testing.T, dir string) {
	t.Helper()
	for n := range 60 {
		if err := os.MkdirAll(filepath.Join(dir, fmt.Sprintf("%06d.sst", n+1)), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

// stuckStore gives a store whose database has taken what it can and cannot write it, and how many times it has left.
func stuckStore(t *testing.T, dir string) (s *store, left *int) {
	t.Helper()
	s = openStore(t, dir, DefaultSize, "")
	left = new(int)
	s.leave = func() { *left++ }
	TakeNames(t, filepath.Join(dir, place.Data+"1"))
	return s, left
}

// A put that Badger does not come back from is an error that says why, and the store is given up: it closes at once, a
// get finds what can be read, and the next one knows how it ended.
func TestStuckPut(t *testing.T) {
	dir := t.TempDir()
	s, left := stuckStore(t, dir)
	var err error
	for n := 0; err == nil && n < 1000; n++ {
		err = s.put(proto.Put{Key: numbered(n), Value: random(n, 100<<10)})
	}
	if !errors.Is(err, errStuck) || !strings.Contains(err.Error(), "file exists") || *left == 0 {
		t.Fatalf("%v; it has left %d times", err, *left)
	}
	if err := s.put(proto.Put{Key: numbered(1)}); !errors.Is(err, errStuck) {
		t.Errorf("another put: %v", err)
	}
	if err := s.close(); !errors.Is(err, errStuck) || !s.unclosed.Load() {
		t.Error(err)
	}
	var l crashLog
	if _, why := l.read(filepath.Join(dir, place.Crash)); l.count != 1 || !strings.Contains(why, "file exists") {
		t.Errorf("%d crashes: %q", l.count, why)
	}
}

func random(n, size int) []byte {
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

// To remove all values does not wait for what cannot be written.
func TestStuckPurge(t *testing.T) {
	dir := t.TempDir()
	s, left := stuckStore(t, dir)
	const values = 45 // more than one table
	for n := range values {
		putNoise(t, s, n, 100<<10)
	}
	for s.trouble.now() == nil {
		time.Sleep(time.Millisecond) // Badger tries to write it soon
	}
	if n, err := s.empty(); n != values || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if *left != 1 {
		t.Errorf("it has left %d times", *left)
	}
	if _, err := os.Lstat(filepath.Join(dir, place.Data+"1")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it is there: ", err)
	}
}

// Nor does a close wait for ever.
func TestStuckClose(t *testing.T) {
	s, left := stuckStore(t, t.TempDir())
	putNoise(t, s, 1, 100<<10)
	s.idleFor(idleTime)
	if err := s.put(proto.Put{Key: numbered(2)}); !errors.Is(err, errStuck) || *left != 1 {
		t.Errorf("%v; it has left %d times", err, *left)
	}
}
