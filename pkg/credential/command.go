package credential

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"gptpipe/pkg/panics"
)

// A CommandError is a key command that failed or printed no key. It does not
// repeat the command, which may itself hold a secret.
type CommandError struct{ Err error }

func (e *CommandError) Error() string { return e.Err.Error() }
func (e *CommandError) Unwrap() error { return e.Err }

var (
	errPrintedNothing = errors.New("it printed nothing")
	errEmptyLine      = errors.New("the first line it printed is empty")
	errNoLine         = fmt.Errorf("it printed more than %d KiB without an end of line", maxLine>>10)

	// errGoesOn ends a command whose key is there.
	errGoesOn = errors.New("it goes on after the first line")
)

// maxLine is how much a key command may print in its first line.
const maxLine = 64 << 10

// A command prints a key.
type command struct {
	text    string
	stderr  io.Writer
	grace   time.Duration // that it may go on for after its first line
	quiet   time.Duration
	waiting func() // called if it has not ended within quiet
}

// firstLine runs the command by sh and answers the first line of its stdout.
// It has no stdin, which is the filter's data, and stays in the process group,
// so that a program that asks for a passphrase may use the terminal.
func (c command) firstLine(ctx context.Context) (string, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	out := head{
		line: func() { time.AfterFunc(c.grace, panics.Func(func() { end(errGoesOn) })) },
		full: func() { end(errNoLine) },
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", c.text)
	cmd.Stdout = &out
	cmd.Stderr = c.stderr
	// An agent that the command leaves behind may hold stdout open for ever.
	cmd.WaitDelay = time.Second
	if c.waiting != nil {
		defer time.AfterFunc(c.quiet, panics.Func(c.waiting)).Stop()
	}
	err := cmd.Run()
	switch cause := context.Cause(ctx); {
	case cause == errNoLine:
		return "", &CommandError{errNoLine}
	case err != nil && cause != errGoesOn && !errors.Is(err, exec.ErrWaitDelay):
		return "", &CommandError{err}
	}
	line, _, _ := bytes.Cut(out.kept, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case len(out.kept) == 0:
		return "", &CommandError{errPrintedNothing}
	case len(line) == 0:
		return "", &CommandError{errEmptyLine}
	}
	return string(line), nil
}

// A head keeps the first line of what is written to it.
type head struct {
	kept       []byte
	line, full func() // called when the line is there, or is longer than maxLine
	done       bool
}

func (h *head) Write(p []byte) (int, error) {
	if h.done {
		return len(p), nil
	}
	h.kept = append(h.kept, p[:min(len(p), maxLine-len(h.kept))]...)
	switch {
	case bytes.IndexByte(h.kept, '\n') >= 0:
		h.done = true
		h.line()
	case len(h.kept) == maxLine:
		h.done = true
		h.full()
	}
	return len(p), nil
}
