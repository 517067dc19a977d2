package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unicode/utf8"
)

// A Status is the exit status of a command; the manual pages list them.
type Status int

// The exit statuses, as in the manual pages.
const (
	StatusOK          Status = 0
	StatusFailed      Status = 1   // I/O, internal, or the one request failed
	StatusUsage       Status = 2   // usage or configuration; nothing was sent
	StatusIncomplete  Status = 3   // finished, and some records failed
	StatusRefused     Status = 4   // no credential, or the server refused it or the model, or there is no API
	StatusStopped     Status = 5   // stopped early on purpose
	StatusInterrupted Status = 130 // SIGINT; other signals are 128 and their number
	StatusClosedPipe  Status = 141 // the reader went away
)

// An Error is an error with an exit status and, if Hint is not empty, a line
// that says what to type. With Quiet it has been told already.
type Error struct {
	Status Status
	Hint   string
	Quiet  bool
	Err    error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Failf is an error with a status of its own.
func Failf(status Status, format string, args ...any) error {
	return &Error{Status: status, Err: fmt.Errorf(format, args...)}
}

// Usagef is an error of usage or configuration, status 2.
func Usagef(format string, args ...any) error { return Failf(StatusUsage, format, args...) }

// Value is what an error of usage repeats of a value: all of it in quotes, unless
// it is so long that it may be a key in the wrong place.
func Value(s string) string {
	if n := utf8.RuneCountInString(s); n > 20 {
		return fmt.Sprintf("(a value of %d characters)", n)
	}
	return strconv.Quote(s)
}

// WithHint adds to err a line that says what to type.
func WithHint(err error, format string, args ...any) error {
	return &Error{Status: StatusOf(err), Hint: fmt.Sprintf(format, args...), Err: err}
}

// Quiet is a status whose reason has been told already.
func Quiet(status Status) error {
	return &Error{Status: status, Quiet: true, Err: fmt.Errorf("exit status %d", status)}
}

func isQuiet(err error) bool {
	var e *Error
	var stop *Interrupt
	return errors.As(err, &e) && e.Quiet || errors.As(err, &stop)
}

// An Interrupt is the end of a command by a signal.
type Interrupt struct{ Signal os.Signal }

func (e *Interrupt) Error() string { return fmt.Sprintf("interrupted by %v", e.Signal) }

// StatusOf is the exit status that err calls for.
func StatusOf(err error) Status {
	var e *Error
	var out *OutputError
	var stop *Interrupt
	switch {
	case err == nil:
		return StatusOK
	case errors.As(err, &stop):
		if s, ok := stop.Signal.(syscall.Signal); ok {
			return 128 + Status(s)
		}
		return StatusInterrupted
	case errors.As(err, &out) && errors.Is(err, syscall.EPIPE):
		return StatusClosedPipe
	case errors.As(err, &e):
		return e.Status
	}
	return StatusFailed
}

// weightiest is the first of those errors whose status comes first where several
// apply: interrupted, failed, the reader gone, refused, stopped early, records
// failed. It is nil if all are.
func weightiest(errs ...error) (most error) {
	for _, err := range errs {
		if weight(err) > weight(most) {
			most = err
		}
	}
	return most
}

func weight(err error) int {
	if err == nil {
		return 0
	}
	if errors.Is(err, context.Canceled) { // why is elsewhere
		return 1
	}
	switch status := StatusOf(err); {
	case status == StatusIncomplete:
		return 2
	case status == StatusStopped:
		return 3
	case status == StatusRefused:
		return 4
	case status == StatusClosedPipe:
		return 5
	case status > 128:
		return 7
	}
	return 6
}
