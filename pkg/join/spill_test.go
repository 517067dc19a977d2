package join

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gptpipe/pkg/record"
)

func parse(t testing.TB, line string) record.Record {
	t.Helper()
	rec, err := record.Parse([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// What waits never takes more than Options.Memory, leaves no file behind, and
// comes back.
func TestSpill(t *testing.T) {
	const docs, each = 3, 200
	dir := t.TempDir()
	var out bytes.Buffer
	j := New(&out, Options{Memory: 20_000, TempDir: dir})
	for n := each - 1; n >= 0; n-- {
		for d := range docs {
			more := ""
			if n == each-1 {
				more = last
			}
			s := fmt.Sprintf("%c%03d%s\n", 'a'+d, n, strings.Repeat("x", n))
			if err := j.Add(parse(t, answer(string(rune('a'+d)), n, string(record.AppendString(nil, s)), more))); err != nil {
				t.Fatal(err)
			}
			waiting := int64(0)
			for _, d := range j.queue {
				for _, p := range d.waiting {
					waiting += int64(len(p.value)) + pieceSize
				}
			}
			if waiting != j.held || waiting > 20_000 {
				t.Fatalf("%d bytes wait, noted %d", waiting, j.held)
			}
		}
		if n == each/2 && len(j.spill.stretches) < 2 {
			t.Errorf("%d stretches", len(j.spill.stretches))
		}
	}
	if info, err := j.spill.file.Stat(); err != nil || info.Mode().Perm() != 0o600 || info.Size() != j.spill.size {
		t.Errorf("%v, %v; %d bytes are in use", info, err, j.spill.size)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("there is %q", left)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for d := range docs {
		for n := range each {
			fmt.Fprintf(&want, "%c%03d%s\n\n\n", 'a'+d, n, strings.Repeat("x", n))
		}
	}
	if got := out.String() + "\n"; got != want.String() {
		t.Errorf("got %d bytes, want %d", len(got), want.Len())
	}
	if len(j.spill.stretches) > 0 || j.spill.size != 0 || j.held != 0 {
		t.Errorf("%d stretches, %d bytes, %d held are left", len(j.spill.stretches), j.spill.size, j.held)
	}
}

// The file is used anew from its beginning when nothing in it is wanted.
func TestSpillIsReclaimed(t *testing.T) {
	var out bytes.Buffer
	j := New(&out, Options{Memory: 5000, TempDir: t.TempDir()})
	greatest := int64(0)
	for block := range 50 {
		for n := 99; n >= 0; n-- {
			if err := j.Add(parse(t, answer("a", 100*block+n, `"some text"`, ""))); err != nil {
				t.Fatal(err)
			}
			greatest = max(greatest, j.spill.size)
		}
	}
	if greatest == 0 || greatest > 10_000 {
		t.Errorf("the file grew to %d bytes", greatest)
	}
	if err := j.Close(); err != nil || strings.Count(out.String(), "some text") != 5000 {
		t.Errorf("%v, %d bytes", err, out.Len())
	}
}

func TestSpillFails(t *testing.T) {
	add := func(j *Joiner, from, to int) (err error) {
		for n := from; n >= to && err == nil; n-- {
			err = j.Add(parse(t, answer("a", n, `"a text that is so long that no buffer holds all of what waits"`, "")))
		}
		return err
	}
	for _, test := range []struct {
		name string
		opt  Options
		want string
		hurt func(j *Joiner) error
	}{
		{
			name: "no folder", opt: Options{TempDir: filepath.Join(t.TempDir(), "none")}, want: "first",
			hurt: func(j *Joiner) error {
				err := add(j, 9000, 2)
				if !errors.Is(err, os.ErrNotExist) {
					t.Error(err)
				}
				return err
			},
		},
		{
			name: "a write fails", opt: Options{TempDir: t.TempDir()}, want: "first",
			hurt: func(j *Joiner) error {
				if err := add(j, 9000, 4000); err != nil {
					return nil
				}
				j.spill.file.Close()
				return add(j, 4000, 2)
			},
		},
		{
			name: "a read fails", opt: Options{TempDir: t.TempDir(), JSONL: true}, want: `{"id":"a#0","doc":"a","seq":0,"text":"first\n\na text`,
			hurt: func(j *Joiner) error {
				if err := add(j, 9000, 2); err != nil {
					return nil
				}
				j.spill.file.Truncate(j.spill.size / 2)
				return add(j, 1, 1)
			},
		},
	} {
		var out bytes.Buffer
		opt := test.opt
		opt.Memory = 500_000
		j := New(&out, opt)
		if err := j.Add(parse(t, answer("a", 0, `"first"`, ""))); err != nil {
			t.Fatal(err)
		}
		err := test.hurt(j)
		var lost *SpillError
		if !errors.As(err, &lost) {
			t.Errorf("%s: %v", test.name, err)
		}
		if !strings.HasPrefix(out.String(), test.want) {
			t.Errorf("%s: %.100q was written", test.name, out.String())
		}
		if opt.JSONL {
			if _, err := record.Parse(out.Bytes()); err != nil {
				t.Errorf("%s: %v: %.200q", test.name, err, out.String())
			}
		}
	}
}
