// Package cli is the skin of the commands: flags, messages, exit statuses,
// signals and progress. It alone touches the process: its arguments,
// environment, standard streams and its end.
//
// A command's main is one line, which hands a function to Main:
//
//	func main() { cli.Main("gpt-map", usage, run) }
//
//	func run(ctx context.Context, sys *cli.System) error
//
// run reads its flags from sys.Args, data from sys.Stdin, writes data to
// sys.Stdout and messages to sys.Log, and returns nil or an error. Usagef,
// Failf and WithHint make errors that carry an exit status and what to type;
// any other error is status 1. ErrHelp and ErrVersion, which Flags.Parse
// returns, print what was asked for on stdout with status 0.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"gptpipe/pkg/panics"
	"gptpipe/pkg/redact"
)

// A System is what a command is given by the machine it runs on.
type System struct {
	Name   string // of the command, as in "gpt-map"
	Args   []string
	Stdin  *os.File
	Stdout *Output
	Stderr *os.File
	Getenv func(string) string
	Log    *Log
	Redact *redact.Redactor

	// Crashes leaves panics to the runtime, whose report somebody reads. The
	// command must have no secret.
	Crashes bool
}

// Main runs a command on this process's arguments and streams and ends the
// process with its exit status.
func Main(name, usage string, run func(context.Context, *System) error) {
	// A write to a closed pipe is to come back as an error, so that a command
	// can take in what it has paid for; children still get the default action.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	sys := &System{
		Name:   name,
		Args:   os.Args[1:],
		Stdin:  os.Stdin,
		Stdout: &Output{File: os.Stdout},
		Stderr: os.Stderr,
		Getenv: os.Getenv,
		Redact: new(redact.Redactor),
	}
	sys.Redact.Add(sys.Getenv("OPENAI_API_KEY")) // before any message can repeat it
	sys.Log = NewLog(name, os.Stderr, sys.Redact)
	log.SetFlags(0)
	log.SetOutput(debugWriter{sys.Log}) // net/http shows there what servers send
	panics.Handle(func(value any, stack []byte) { panicked(sys, value, stack) })
	defer panics.Caught()
	endBySignal(sys)
	err := run(context.Background(), sys)
	switch {
	case errors.Is(err, ErrHelp):
		_, err = io.WriteString(sys.Stdout, help(usage, err))
	case errors.Is(err, ErrVersion):
		_, err = fmt.Fprintln(sys.Stdout, name, version())
	}
	exit(sys, err)
}

// help is what --help prints.
var help = func(usage string, _ error) string { return usage }

// exit says what is to be said of err and ends the process.
func exit(sys *System, err error) {
	status := StatusOf(err)
	switch {
	case err == nil, status == StatusClosedPipe, isQuiet(err):
	default:
		sys.Log.Error(err)
		if status == StatusUsage {
			sys.Log.Hintf("try %s --help", sys.Name)
		}
	}
	var stop *Interrupt
	if errors.As(err, &stop) && IsTerminal(os.Stderr) && os.Getpid() != 1 { // which no signal of its own ends
		// A shell stops its loop on ctrl-C only if the child died of it.
		dieOf(stop.Signal)
	}
	os.Exit(int(status))
}

// dieOf returns where the signal does not end the process, since it was ignored
// from the beginning.
func dieOf(s os.Signal) {
	signal.Reset(s)
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(s) == nil {
		time.Sleep(deathTime)
	}
}

// deathTime is more than a signal takes to arrive.
const deathTime = 200 * time.Millisecond

// An Output is standard output. It marks the errors of its writes, so that a
// reader that went away is told from a server that did.
type Output struct{ File *os.File }

// An OutputError is a failed write to standard output.
type OutputError struct{ Err error }

func (e *OutputError) Error() string {
	return fmt.Sprintf("write to standard output: %v", cause(e.Err))
}
func (e *OutputError) Unwrap() error { return e.Err }

// cause is the system's own word, without the name and path around it.
func cause(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}

func (o *Output) Write(p []byte) (int, error) {
	n, err := o.File.Write(p)
	if err != nil {
		err = &OutputError{err}
	}
	return n, err
}

// Version is the module's version and the commit it was built from, as far as
// the build recorded them.
func Version() string {
	v, _ := buildVersion()
	return v
}

func version() string {
	v, commit := buildVersion()
	return fmt.Sprintf("%s (commit %s)", v, commit)
}

func buildVersion() (version, commit string) {
	version, commit = "(devel)", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return
	}
	if info.Main.Version != "" {
		version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			commit = s.Value
		}
	}
	return
}
