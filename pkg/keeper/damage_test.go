package keeper_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/hub/place"
)

const (
	damageEntries = 2400
	damageLarge   = 400 // each so many is in the value log
)

func damageValue(n int) []byte {
	size := 4 << 10
	if n%damageLarge == 0 {
		size = 600 << 10
	}
	b := make([]byte, size)
	rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

// killedStore leaves a cache folder as a killed keeper does, with files of all kinds.
func killedStore(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	c, err := hub.Open(t.Context(), config(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for n := range damageEntries {
		if err := c.Put(t.Context(), number(uint64(n)), damageValue(n), "m", time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	syscall.Kill(pid(t, c), syscall.SIGKILL)
	gone(t, dir)
	return dir
}

// Whatever is done to a file of the database, a keeper comes up, what it serves is right, and it can store. The database
// is moved aside only if it cannot be opened any more, which is told once.
func TestDamage(t *testing.T) {
	saved := killedStore(t)
	for _, c := range []struct {
		file   string
		damage string
		aside  bool
	}{
		{"000002.sst", "flip near the start", false},
		{"000002.sst", "flip near the middle", false},
		{"000002.sst", "flip near the end", true},
		{"000002.sst", "cut to 0", true},
		{"000002.sst", "cut to 10", true},
		{"000002.sst", "cut to half", true},
		{"000002.sst", "cut by 1", true},
		{"000002.sst", "noise", true},
		{"000002.sst", "zeros", true},
		{"000002.sst", "delete", true},
		{"*.mem", "flip near the start", false},
		{"*.mem", "flip near the middle", false},
		{"*.mem", "cut to 0", false},
		{"*.mem", "cut to 10", false},
		{"*.mem", "cut to half", false},
		{"*.mem", "noise", true}, // names a key that it is encrypted with
		{"*.mem", "zeros", false},
		{"*.mem", "delete", false},
		{"000001.vlog", "flip near the start", false},
		{"000001.vlog", "flip near the middle", false},
		{"000001.vlog", "cut to 0", false},
		{"000001.vlog", "cut to 10", false},
		{"000001.vlog", "cut to half", false},
		{"000001.vlog", "noise", true},
		{"000001.vlog", "zeros", false},
		{"000001.vlog", "delete", false},
		{"MANIFEST", "flip the first byte", true},
		{"MANIFEST", "flip near the middle", true},
		{"MANIFEST", "cut to 0", true},
		{"MANIFEST", "cut to half", false}, // is taken for a write that a kill cut short
		{"MANIFEST", "noise", true},
		{"MANIFEST", "zeros", true},
		{"MANIFEST", "delete", true}, // Badger would remove the tables
		{"KEYREGISTRY", "flip the last byte", true},
		{"KEYREGISTRY", "cut to 0", true},
		{"KEYREGISTRY", "cut to half", true},
		{"KEYREGISTRY", "delete", false},
		{"DISCARD", "noise", false},
		{"DISCARD", "cut to 10", false},
		{"DISCARD", "delete", false},
	} {
		t.Run(c.file+" "+c.damage, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "cache")
			copyStore(t, filepath.Join(saved, place.Data+"1"), filepath.Join(dir, place.Data+"1"))
			files, err := filepath.Glob(filepath.Join(dir, place.Data+"1", c.file))
			if err != nil || len(files) == 0 {
				t.Fatal(c.file, files, err)
			}
			damage(t, files[0], c.damage)

			var notices []string
			cfg := config(dir)
			cfg.Notice = func(text string) {
				if strings.Contains(text, "moved") { // else it is of the counters, which may have been where the damage is
					notices = append(notices, text)
				}
			}
			client, err := hub.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer stop(t, dir)
			defer client.Close()
			there := 0
			for n := range damageEntries {
				if n%7 > 0 && n%damageLarge > 0 {
					continue
				}
				got, ok, err := client.Get(t.Context(), number(uint64(n)))
				if err != nil || ok && !bytes.Equal(got, damageValue(n)) {
					t.Fatalf("get %d: %v, %d bytes, %v", n, ok, len(got), err)
				}
				if ok {
					there++
				}
			}
			if c.aside == (there > 0) {
				t.Errorf("%d values are left", there)
			}
			if err := client.Put(t.Context(), key("new"), []byte("new"), "m", 0); err != nil {
				t.Fatal(err)
			}
			if got, ok, err := client.Get(t.Context(), key("new")); !ok || err != nil || string(got) != "new" {
				t.Errorf("what was put: %q, %v, %v", got, ok, err)
			}
			aside, _ := filepath.Glob(filepath.Join(dir, "*.broken-*"))
			if (len(aside) > 0) != c.aside || len(notices) != len(aside) {
				t.Errorf("moved aside: %q; told: %q", aside, notices)
			}
			if s, err := client.Storage(t.Context()); err != nil || len(s.Broken) != len(aside) {
				t.Errorf("%+v, %v", s, err)
			} else if len(aside) > 0 {
				if !strings.HasPrefix(s.Broken[0], aside[0]+": ") || !strings.Contains(notices[0], aside[0]) {
					t.Errorf("storage %q, told %q", s.Broken, notices)
				}
				t.Log(notices[0])
			}
		})
	}
}

func damage(t *testing.T, path, how string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	size := info.Size()
	used := min(size, 1<<20) // logs are long and mostly holes
	flip := func(at int64) error {
		b := make([]byte, 1)
		f.ReadAt(b, at)
		b[0] ^= 1 << rand.N(8)
		_, err := f.WriteAt(b, at)
		return err
	}
	fill := func(with func([]byte)) error {
		b := make([]byte, used)
		with(b)
		_, err := f.WriteAt(b, 0)
		if size < 10<<20 {
			err = errors.Join(err, f.Truncate(used))
		}
		return err
	}
	switch how {
	case "flip the first byte":
		err = flip(0)
	case "flip the last byte":
		err = flip(size - 1)
	case "flip near the start":
		err = flip(40 + rand.N[int64](1000))
	case "flip near the middle":
		err = flip(used / 2)
	case "flip near the end":
		err = flip(size - 100 - rand.N[int64](300))
	case "cut to 0":
		err = f.Truncate(0)
	case "cut to 10":
		err = f.Truncate(10)
	case "cut to half":
		err = f.Truncate(used / 2)
	case "cut by 1":
		err = f.Truncate(size - 1)
	case "noise":
		err = fill(func(b []byte) { rand.NewChaCha8([32]byte{1}).Read(b) })
	case "zeros":
		err = fill(func(b []byte) {})
	case "delete":
		err = os.Remove(path)
	default:
		t.Fatal(how)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// copyStore copies a folder and leaves the holes in its files.
func copyStore(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-R", "--sparse=auto", from, to).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// A machine that is short of something is no damage: nothing is moved aside, and when that is over all is there.
func TestPassingErrorsMoveNothingAside(t *testing.T) {
	dir := killedStore(t)
	failed := 0
	for _, files := range []int{10, 12, 14, 16, 19, 22} {
		// A keeper that has descriptors enough to open the database is ended too.
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		cmd := exec.CommandContext(ctx, "/bin/sh", "-c", fmt.Sprintf(`ulimit -n %d; exec "$@"`, files), "sh",
			os.Args[0], "serve", "--cache", dir, "--linger", "0")
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "too many open files") {
			failed++
		}
		t.Logf("with %d descriptors: %v %.300s", files, err, out)
		cancel()
	}
	if failed == 0 {
		t.Error("no keeper was short of descriptors")
	}
	c := open(t, dir)
	for n := range 100 {
		if got, ok, err := c.Get(t.Context(), number(uint64(n))); !ok || err != nil || !bytes.Equal(got, damageValue(n)) {
			t.Errorf("%d: %v, %v", n, ok, err)
		}
	}
	if aside, _ := filepath.Glob(filepath.Join(dir, "*.broken-*")); len(aside) > 0 {
		t.Error("moved aside:", aside)
	}
}

func TestOnlyTwoBrokenCopiesAreKept(t *testing.T) {
	dir := t.TempDir()
	for range 4 {
		c := open(t, dir)
		if err := c.Put(t.Context(), key("a"), []byte("a"), "", 0); err != nil {
			t.Fatal(err)
		}
		stop(t, dir)
		manifests, _ := filepath.Glob(filepath.Join(dir, place.Data+"?", "MANIFEST"))
		if len(manifests) != 1 {
			t.Fatal(manifests)
		}
		damage(t, manifests[0], "cut to 0")
	}
	c := open(t, dir)
	s, err := c.Storage(t.Context())
	if err != nil || len(s.Broken) != 2 || !strings.Contains(s.Broken[1], place.Data+"4.broken-") {
		t.Errorf("%q, %v", s.Broken, err)
	}
	// To forget everything is to forget what was moved aside too.
	if _, err := c.Purge(t.Context(), hub.Filter{}); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Storage(t.Context()); err != nil || len(s.Broken) > 0 {
		t.Errorf("after a purge: %q, %v", s.Broken, err)
	}
}

// Who comes only to end the keeper is not told what a user should know.
func TestNoticeIsForUsers(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir)
	mustPut(t, c, "a", "a")
	stop(t, dir)
	damage(t, filepath.Join(dir, place.Data+"1", "MANIFEST"), "cut to 0")
	var notices []string
	byHand(t, dir, func(text string) { notices = append(notices, text) }) // after it has been asked to leave, and stayed
	if len(notices) != 1 {
		t.Errorf("told: %q", notices)
	}
}
