package credential

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os/exec"
	"time"
)

// A CommandError is a key command that failed or printed no key. It does not
// repeat the command, which may itself hold a secret.
type CommandError struct{ Err error }

func (e *CommandError) Error() string { return e.Err.Error() }
func (e *CommandError) Unwrap() error { return e.Err }

var (
	errPrintedNothing = errors.New("it printed nothing")
	errEmptyLine      = errors.New("the first line it printed is empty")
)

// firstLine runs command by sh and answers the first line of its stdout. It
// has no stdin, which is the filter's data, and stays in the process group, so
// that a program that asks for a passphrase may use the terminal.
func firstLine(ctx context.Context, command string, stderr io.Writer) (string, error) {
	var out head
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Stdout = &out
	cmd.Stderr = stderr
	// An agent that the command leaves behind may hold stdout open for ever.
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil && !errors.Is(err, exec.ErrWaitDelay) {
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

// A head keeps the beginning of what is written to it: more than a key has.
type head struct{ kept []byte }

func (h *head) Write(p []byte) (int, error) {
	h.kept = append(h.kept, p[:min(len(p), 2*maxKey-len(h.kept))]...)
	return len(p), nil
}
