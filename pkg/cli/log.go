package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"gptpipe/pkg/redact"
)

// A Level says which messages are printed: those of the level and above.
type Level int

// The levels of messages.
const (
	LevelDebug Level = iota
	LevelInfo
	LevelWarn
	LevelError
)

// Set reads a level by its name, for flag.Value.
func (l *Level) Set(s string) error {
	for i, name := range levelNames {
		if s == name {
			*l = Level(i)
			return nil
		}
	}
	return fmt.Errorf("none of %s", strings.Join(levelNames, ", "))
}

func (l *Level) String() string { return levelNames[*l] }

var levelNames = []string{"debug", "info", "warn", "error"}

// A Log prints messages for a person on standard error, each a line that
// begins with the name of the command, and each free of secrets. It is safe
// for concurrent use.
type Log struct {
	name   string
	redact *redact.Redactor

	mu     sync.Mutex
	out    io.Writer
	level  Level
	status string // a progress line that stands below the messages
}

// NewLog makes a log of the command called name that prints to out, from
// LevelInfo on.
func NewLog(name string, out io.Writer, r *redact.Redactor) *Log {
	return &Log{name: name, out: out, redact: r, level: LevelInfo}
}

// SetLevel makes the log print messages of level l and above.
func (l *Log) SetLevel(level Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.level = level
}

// Error prints err and, on a line of its own, its hint.
func (l *Log) Error(err error) {
	l.print(LevelError, err.Error())
	var e *Error
	if errors.As(err, &e) && e.Hint != "" {
		l.Hintf("%s", e.Hint)
	}
}

// Errorf prints a failure that the command goes on after.
func (l *Log) Errorf(format string, args ...any) { l.print(LevelError, fmt.Sprintf(format, args...)) }

// Warnf prints what a user should know and need not act on.
func (l *Log) Warnf(format string, args ...any) { l.print(LevelWarn, fmt.Sprintf(format, args...)) }

// Infof prints what is good to know.
func (l *Log) Infof(format string, args ...any) { l.print(LevelInfo, fmt.Sprintf(format, args...)) }

// Debugf prints what helps to find a fault.
func (l *Log) Debugf(format string, args ...any) { l.print(LevelDebug, fmt.Sprintf(format, args...)) }

// Hintf prints what to type after a failure.
func (l *Log) Hintf(format string, args ...any) {
	l.print(LevelError, "hint: "+fmt.Sprintf(format, args...))
}

func (l *Log) print(level Level, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if level < l.level {
		return
	}
	text = Printable(l.redact.String(strings.TrimRight(text, "\n")))
	if l.status == "" {
		fmt.Fprintf(l.out, "%s: %s\n", l.name, text)
		return
	}
	fmt.Fprintf(l.out, "\r\x1b[K%s: %s\n%s", l.name, text, l.status)
}

// setStatus shows line below the messages, in place of the one before; an
// empty line takes it away.
func (l *Log) setStatus(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if line == l.status {
		return
	}
	l.status = line
	fmt.Fprintf(l.out, "\r\x1b[K%s", line)
}

// A debugWriter takes what libraries log.
type debugWriter struct{ log *Log }

func (w debugWriter) Write(p []byte) (int, error) {
	w.log.Debugf("%s", p)
	return len(p), nil
}
