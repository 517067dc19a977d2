package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
	"gptpipe/pkg/panics"
)

const (
	// maxInput is more than any key has.
	maxInput = 16 << 10
	// maxTyped is the length of a line from which on a terminal drops what is
	// typed (N_TTY_BUF_SIZE less the newline, see termios(3)).
	maxTyped = 4095
)

// silence is how long stdin may stay open before that is told; a variable for
// tests.
var silence = 5 * time.Second

// readKey reads a key: a line typed unseen if stdin is a terminal, else all of
// stdin. What may have been cut off is refused.
func readKey(sys *cli.System, prompt string) (string, error) {
	if !cli.IsTerminal(sys.Stdin) {
		told := time.AfterFunc(silence, panics.Func(func() { sys.Log.Warnf("waiting for stdin to end") }))
		defer told.Stop()
		data, err := io.ReadAll(io.LimitReader(sys.Stdin, maxInput+1))
		switch {
		case err != nil:
			return "", fmt.Errorf("standard input: %w", err)
		case len(data) > maxInput:
			return "", fmt.Errorf("standard input: longer than %d KiB", maxInput>>10)
		}
		return string(data), nil
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return readHidden(sys.Stdin, sys.Stderr, prompt)
	}
	defer tty.Close()
	return readHidden(tty, tty, prompt)
}

// minKey is the length below which what is given as a key is none.
const minKey = 8

// readNewKey reads a key that is to be stored.
func readNewKey(sys *cli.System, prompt string) (string, error) {
	text, err := readKey(sys, prompt)
	if err != nil {
		return "", err
	}
	key, err := credential.Clean(text)
	switch {
	case err != nil:
		return "", err
	case credential.IsPlaceholder(key):
		return "", &credential.InvalidError{Why: "it stands in place of one, as in instructions"}
	case len(key) < minKey:
		return "", &credential.InvalidError{Why: fmt.Sprintf("it is shorter than %d characters", minKey)}
	}
	sys.Redact.Add(key)
	return key, nil
}

// readHidden prompts on out and reads a line from the terminal in, which does
// not echo meanwhile. A signal that ends the command is a *cli.Interrupt, so
// that the terminal is set right first; ctrl-Z and ctrl-\ would leave the shell
// a terminal without echo, and are ignored.
//
// Echo is off before the prompt shows, and what was typed before is dropped:
// term.ReadPassword turns it off later, so that a line pasted or sent by a
// script at sight of the prompt may be seen.
func readHidden(in, out *os.File, prompt string) (string, error) {
	signals, stop := cli.Signals()
	defer stop()
	signal.Ignore(syscall.SIGTSTP, syscall.SIGQUIT)
	defer signal.Reset(syscall.SIGTSTP, syscall.SIGQUIT)

	fd := int(in.Fd())
	saved, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	hidden := *saved
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	hidden.Iflag |= unix.ICRNL
	if err := unix.IoctlSetTermios(fd, unix.TCSETSF, &hidden); err != nil {
		return "", fmt.Errorf("terminal: %w", err)
	}
	defer fmt.Fprintln(out)
	defer unix.IoctlSetTermios(fd, unix.TCSETSF, saved)

	fmt.Fprint(out, prompt)
	type typed struct {
		line string
		err  error
	}
	done := make(chan typed, 1)
	panics.Go(func() {
		line, err := bufio.NewReader(in).ReadString('\n')
		done <- typed{line, err}
	})
	select {
	case s := <-signals:
		return "", &cli.Interrupt{Signal: s}
	case t := <-done:
		if t.err != nil && !errors.Is(t.err, io.EOF) {
			return "", fmt.Errorf("terminal: %w", t.err)
		}
		if len(strings.TrimSuffix(t.line, "\n")) >= maxTyped {
			return "", errors.New("longer than a terminal's line can be: pipe it in")
		}
		return t.line, nil
	}
}
