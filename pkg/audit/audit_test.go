package audit

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	writers = 50
	lines   = 40
	small   = 8 << 10 // size of a file in the tests
)

// TestMain lets the test binary be one of many processes that write.
func TestMain(m *testing.M) {
	path := os.Getenv("AUDIT_TEST_PATH")
	if path == "" {
		os.Exit(m.Run())
	}
	writer, _ := strconv.Atoi(os.Getenv("AUDIT_TEST_WRITER"))
	for i := range lines {
		r := Record{Event: Begin, Command: "test", Profile: strconv.Itoa(writer), Requests: int64(i)}
		if err := (log{path, small, 100}).append(&r); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

func TestManyProcessesWriteAndRotateAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state", "audit.jsonl")
	var all []*exec.Cmd
	for i := range writers {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = []string{"AUDIT_TEST_PATH=" + path, "AUDIT_TEST_WRITER=" + strconv.Itoa(i), "GORACE=atexit_sleep_ms=0"}
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		all = append(all, cmd)
	}
	// Meanwhile a reader sees no half lines, and each writer's in order.
	l := log{path, small, 100}
	var next map[string]int64
	for _, cmd := range all {
		next = map[string]int64{}
		var last time.Time
		passed, err := l.read(func(r Record, _ []byte) error {
			if r.Requests != next[r.Profile] || r.Time.Before(last) {
				return fmt.Errorf("%v: line %d of process %s; expected line %d, after %v", r.Time, r.Requests, r.Profile, next[r.Profile], last)
			}
			next[r.Profile], last = next[r.Profile]+1, r.Time
			return nil
		})
		if err != nil || passed > 0 {
			t.Errorf("read: %d lines passed over, %v", passed, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	clear(next)
	if _, err := l.read(func(r Record, _ []byte) error { next[r.Profile]++; return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range writers {
		if n := next[strconv.Itoa(i)]; n != lines {
			t.Errorf("%d lines of process %d", n, i)
		}
	}
	files, _ := filepath.Glob(path + "*")
	if len(files) < 15 {
		t.Errorf("%d files: hardly rotated", len(files))
	}
}

func TestGenerations(t *testing.T) {
	l := log{filepath.Join(t.TempDir(), "audit.jsonl"), 300, 2}
	write := func(n int) {
		t.Helper()
		for i := range n {
			if err := l.append(&Record{Event: Set, Profile: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(100)
	for _, f := range []string{l.path, l.path + ".1", l.path + ".2"} {
		info, err := os.Stat(f)
		if err != nil || info.Mode().Perm() != 0o600 || info.Size() > 500 {
			t.Errorf("%s: %v, %v", f, info, err)
		}
	}
	if _, err := os.Stat(l.path + ".3"); err == nil {
		t.Error("a third generation")
	}
	var got []string
	if _, err := l.read(func(r Record, _ []byte) error { got = append(got, r.Profile); return nil }); err != nil {
		t.Fatal(err)
	}
	first, _ := strconv.Atoi(got[0])
	for i, p := range got {
		if p != fmt.Sprint(first+i) {
			t.Fatalf("order %v", got)
		}
	}

	// A process was killed in the middle of a rotation: only up to the gap is moved.
	if err := os.Remove(l.path + ".1"); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(l.path + ".2")
	if err := os.WriteFile(l.path, []byte(strings.Repeat("x", 300)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	write(1)
	after, _ := os.ReadFile(l.path + ".2")
	if !slices.Equal(before, after) {
		t.Error("an older generation was given up though there was room")
	}
}

func TestHalfALine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte(`{"event":"begin","pro`), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := Append(path, Record{Event: Login, Profile: "a"}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	passed, err := Read(path, func(r Record, line []byte) error {
		if r.Profile != "a" || r.PID != os.Getpid() || r.Time.IsZero() || line[len(line)-1] != '}' {
			t.Errorf("%s", line)
		}
		n++
		return nil
	})
	if n != 2 || passed != 1 || err != nil {
		t.Errorf("%d records, %d passed over, %v", n, passed, err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	u, err := Start(path, Record{Command: "gpt-map", Key: Fingerprint("sk-secret"), Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.End(3, 500); err != nil {
		t.Fatal(err)
	}
	var got []Record
	if _, err := Read(path, func(r Record, _ []byte) error { got = append(got, r); return nil }); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Event != Begin || !got[0].Began.IsZero() {
		t.Fatalf("%+v", got)
	}
	want := got[0]
	want.Event, want.Time, want.Began, want.Requests, want.Tokens = End, got[1].Time, got[0].Time, 3, 500
	if got[1] != want {
		t.Errorf("got  %+v\nwant %+v", got[1], want)
	}
	// printf sk-secret | sha256sum
	if want.Key != "sha256:746b4ad1ca9129e1" {
		t.Errorf("fingerprint %s", want.Key)
	}
}

func TestWhatIsNoLog(t *testing.T) {
	dir := t.TempDir()
	if passed, err := Read(filepath.Join(dir, "none"), nil); passed != 0 || err != nil {
		t.Errorf("no file: %d, %v", passed, err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Append(fifo, Record{Event: Set}); !errors.Is(err, errNotRegular) {
		t.Errorf("a FIFO: %v", err)
	}
	held, err := os.Create(filepath.Join(dir, "held"))
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := Append(held.Name(), Record{Event: Set}); !errors.Is(err, ErrBusy) {
		t.Errorf("held by another: %v", err)
	}
}
