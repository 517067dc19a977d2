package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/redact"
)

func TestStatusOf(t *testing.T) {
	pipe := &OutputError{&os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.EPIPE}}
	tests := []struct {
		err  error
		want Status
	}{
		{nil, 0},
		{io.ErrUnexpectedEOF, 1},
		{Usagef("x"), 2},
		{fmt.Errorf("around: %w", Failf(StatusStopped, "x")), 5},
		{WithHint(Failf(StatusRefused, "x"), "y"), 4},
		{&Interrupt{syscall.SIGINT}, 130},
		{&Interrupt{syscall.SIGTERM}, 143},
		{pipe, 141},
		{errors.Join(Failf(StatusRefused, "x"), pipe), 141},
		{syscall.EPIPE, 1}, // of a connection, not of stdout
		{&OutputError{syscall.ENOSPC}, 1},
	}
	for _, test := range tests {
		if got := StatusOf(test.err); got != test.want {
			t.Errorf("%v: %d, want %d", test.err, got, test.want)
		}
	}
}

func TestLogHidesSecretsAndControlCharacters(t *testing.T) {
	var out bytes.Buffer
	r := new(redact.Redactor)
	r.Add("hunter2hunter2")
	l := &Log{name: "gpt-x", out: &out, redact: r, level: LevelInfo}
	l.Warnf("the key hunter2hunter2 and \x1b]0;title\x07 from %s\n", "a server")
	l.Debugf("not printed")
	l.Error(WithHint(Failf(1, "failed"), "do hunter2hunter2"))
	want := "gpt-x: the key [redacted] and ␛]0;title␇ from a server\ngpt-x: failed\ngpt-x: hint: do [redacted]\n"
	if out.String() != want {
		t.Errorf("got %q\nwant %q", out.String(), want)
	}
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 中\n\ttab": "plain é 中\n\ttab",
		"\x1b[31mred\x07":  "␛[31mred␇",
		"del\x7f c1\u009b": "del␡ c1\ufffd",
		"cr\rover":         "cr␍over",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q: got %q", in, got)
		}
	}
}

func TestIsNull(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	zero, err := os.Open("/dev/zero")
	if err != nil {
		t.Fatal(err)
	}
	defer zero.Close()
	if !IsNull(null) || IsNull(r) || IsNull(zero) {
		t.Errorf("null %v, pipe %v, zero %v", IsNull(null), IsNull(r), IsNull(zero))
	}
}

func TestDrain(t *testing.T) {
	d := NewDrain(context.Background())
	defer d.Close()
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-d.Soft.Done()
	var stop *Interrupt
	if cause := context.Cause(d.Soft); !errors.As(cause, &stop) || stop.Signal != syscall.SIGTERM {
		t.Errorf("cause is %v", cause)
	}
	if d.Hard.Err() != nil {
		t.Error("the first signal gave up what is under way")
	}
}

func TestDrainEndsHardAfterGrace(t *testing.T) {
	d := NewDrain(context.Background())
	defer d.Close()
	why := errors.New("quota")
	d.End(why, time.Hour)
	d.End(errors.New("later"), 0)
	if cause := context.Cause(d.Soft); cause != why {
		t.Errorf("cause is %v, want the first", cause)
	}
	if d.Hard.Err() != nil {
		t.Error("the second end changed the grace of the first")
	}
}

func TestSecondSignalIsWhyHardEnds(t *testing.T) {
	d := NewDrain(context.Background())
	defer d.Close() // before the process is ended by force
	for _, done := range []<-chan struct{}{d.Soft.Done(), d.Hard.Done()} {
		if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-done
	}
	if status := StatusOf(context.Cause(d.Hard)); status != 143 {
		t.Errorf("Hard ended because of %v", context.Cause(d.Hard))
	}
}

func TestReasonIsTheWeightiest(t *testing.T) {
	inOrder := []error{
		&Interrupt{syscall.SIGINT},
		errors.New("input/output"),
		&OutputError{syscall.EPIPE},
		Failf(StatusRefused, "refused"),
		Failf(StatusStopped, "quota"),
		Quiet(StatusIncomplete),
		context.Canceled,
		nil,
	}
	for i, first := range inOrder {
		for _, later := range inOrder[i:] {
			for _, came := range [][]error{{first, later}, {later, first}} {
				d := NewDrain(context.Background())
				d.Note(came[0])
				d.End(came[1], 0)
				if got := d.Reason(); got != first {
					t.Errorf("of %v: %v", came, got)
				}
				d.Close()
				if d.Reason(first, later) != first || d.Reason(later, first) != first {
					t.Errorf("of %v and those of a call: %v", came, d.Reason(first, later))
				}
			}
		}
	}
	d := NewDrain(context.Background())
	defer d.Close()
	same := Failf(StatusStopped, "--halt")
	d.End(same, 0)
	if got := d.Reason(Failf(StatusStopped, "quota")); got != same {
		t.Errorf("of two alike: %v", got)
	}
}

func TestWatchEndsWhenTheReaderGoes(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	d := NewDrain(context.Background())
	defer d.Close()
	d.Watch(&Output{File: w})
	if d.Soft.Err() != nil {
		t.Fatal("ended while there was a reader")
	}
	r.Close()
	<-d.Soft.Done()
	if cause := context.Cause(d.Soft); StatusOf(cause) != StatusClosedPipe {
		t.Errorf("ended because of %v", cause)
	}
	if err := d.Reason(); err != nil {
		t.Errorf("%v is a reason, although nothing was left to write", err)
	}
}

func TestInputs(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a": "1", "b": "2"} {
		if err := os.WriteFile(dir+"/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sys := &System{Stdin: os.Stdin}
	in, err := OpenInputs(sys, []string{dir + "/a", dir + "/b"})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var all []string
	for {
		r, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text)+" of "+in.Name()[len(dir)+1:])
	}
	if got := strings.Join(all, ", "); got != "1 of a, 2 of b" {
		t.Errorf("got %s", got)
	}
	if _, err := OpenInputs(sys, []string{dir + "/a", dir + "/c"}); err == nil || !strings.HasSuffix(err.Error(), "/c: no such file or directory") {
		t.Errorf("a missing file: %v", err)
	}
}
