package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/credential"
)

// A terminal is the far end of a pseudo-terminal, with what was shown on it.
type terminal struct {
	*os.File
	t     *testing.T
	near  *os.File
	shown bytes.Buffer
}

func newTerminal(t *testing.T) *terminal {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	far := os.NewFile(uintptr(fd), "/dev/ptmx")
	t.Cleanup(func() { far.Close() })
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		// A command that hangs fails the test, and does not hold it up.
		err = far.SetReadDeadline(time.Now().Add(time.Minute))
	}
	if err != nil {
		t.Fatal(err)
	}
	near, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close() })
	return &terminal{File: far, t: t, near: near}
}

// start runs gpt-key on the terminal, as a shell would.
func (term *terminal) start(home string, args ...string) *exec.Cmd {
	term.t.Helper()
	cmd := exec.CommandContext(term.t.Context(), "gpt-key", args...)
	cmd.Env = []string{"HOME=" + home, "GORACE=atexit_sleep_ms=0"}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = term.near, term.near, term.near
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		term.t.Fatal(err)
	}
	return cmd
}

// wait reads what is shown until it has text.
func (term *terminal) wait(text string) {
	term.t.Helper()
	buf := make([]byte, 4096)
	for !strings.Contains(term.shown.String(), text) {
		n, err := term.Read(buf)
		if err != nil {
			term.t.Fatalf("%v; shown: %q", err, term.shown.String())
		}
		term.shown.Write(buf[:n])
	}
}

func (term *terminal) typeIn(text string) {
	term.t.Helper()
	if _, err := io.WriteString(term, text); err != nil {
		term.t.Fatal(err)
	}
}

func (term *terminal) echoes() bool {
	term.t.Helper()
	state, err := unix.IoctlGetTermios(int(term.near.Fd()), unix.TCGETS)
	if err != nil {
		term.t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func TestPromptShowsNothingTyped(t *testing.T) {
	term, home := newTerminal(t), t.TempDir()
	cmd := term.start(home, "set", "--file")
	term.wait("API key for api.openai.com (not shown): ")
	if term.echoes() {
		t.Error("the terminal echoes at the prompt")
	}
	term.typeIn("sk-typed\x7f\x7f-in-1234\n")
	term.wait("stored the key in")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if !term.echoes() {
		t.Error("the terminal does not echo afterwards")
	}
	if shown := term.shown.String(); strings.Contains(shown, "sk-") || strings.Contains(shown, "1234") {
		t.Errorf("shown: %q", shown)
	}
	files := credential.Files{ConfigDir: home + "/.config/gptpipe"}
	if e, err := files.Get(t.Context(), "default"); e.Key != "sk-typ-in-1234" || err != nil {
		t.Errorf("stored %q, %v", e.Key, err)
	}
}

func TestPromptIsLeftCleanly(t *testing.T) {
	tests := []struct {
		name  string
		leave func(*terminal, *exec.Cmd)
		want  syscall.Signal // that ends the command; 0: status 1
	}{
		{"ctrl-C", func(term *terminal, _ *exec.Cmd) { term.typeIn("sk-half\x03") }, syscall.SIGINT},
		{"ctrl-Z, ctrl-\\, then ctrl-C", func(term *terminal, _ *exec.Cmd) { term.typeIn("sk-half\x1a\x1c\x03") }, syscall.SIGINT},
		{"SIGTERM", func(_ *terminal, cmd *exec.Cmd) { cmd.Process.Signal(syscall.SIGTERM) }, syscall.SIGTERM},
		{"ctrl-D", func(term *terminal, _ *exec.Cmd) { term.typeIn("\x04") }, 0},
		{"empty line", func(term *terminal, _ *exec.Cmd) { term.typeIn("\n") }, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			term, home := newTerminal(t), t.TempDir()
			cmd := term.start(home, "set", "--file")
			term.wait("(not shown): ")
			test.leave(term, cmd)
			if test.want == 0 {
				term.wait("not a key: it is empty")
			}
			// A command that hangs is ended, and fails the test by its status.
			guard := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
			defer guard.Stop()
			err := cmd.Wait()
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			switch {
			case test.want != 0 && !(status.Signaled() && status.Signal() == test.want):
				t.Errorf("ended with %v, want signal %v", err, test.want)
			case test.want == 0 && status.ExitStatus() != 1:
				t.Errorf("ended with %v, want status 1", err)
			}
			if !term.echoes() {
				t.Error("the terminal does not echo afterwards")
			}
			if _, err := os.Stat(home + "/.config"); err == nil {
				t.Error("something was stored")
			}
		})
	}
}

func TestNobodyIsAskedWithoutAKeyring(t *testing.T) {
	term := newTerminal(t)
	cmd := term.start(t.TempDir(), "set")
	term.wait("gpt-key set --file stores the key")
	if err := cmd.Wait(); err == nil || strings.Contains(term.shown.String(), "not shown") {
		t.Errorf("%v; shown: %q", err, term.shown.String())
	}
}

func TestAuditOnANarrowTerminal(t *testing.T) {
	term, home := newTerminal(t), t.TempDir()
	if err := unix.IoctlSetWinsize(int(term.near.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	u, err := audit.Start(home+"/.local/state/gptpipe/audit.jsonl", audit.Record{Command: "gpt-map", PID: 7, Profile: "default",
		Source: "keyring", Key: audit.Fingerprint("sk-one"), Endpoint: "https://api.openai.com/v1", Model: "m"})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.End(20, 5000); err != nil {
		t.Fatal(err)
	}
	cmd := term.start(home, "audit")
	term.wait("\r\n\r\nPROFILE")
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(term.shown.String()) {
		if len(strings.TrimSpace(line)) > 80 {
			t.Errorf("a line of %d columns: %s", len(line), line)
		}
	}
	for _, want := range []string{"end    gpt-map  7    default", "  keyring  sha256:", "https://api.openai.com/v1  m  20  5000"} {
		if !strings.Contains(term.shown.String(), want) {
			t.Errorf("no %q in\n%s", want, term.shown.String())
		}
	}
}

// A person's side of the prompt, with the tool that is made for it.
func TestExpect(t *testing.T) {
	if _, err := exec.LookPath("expect"); err != nil {
		t.Skip("expect is not installed (package expect)")
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "expect", "-f", "-")
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "GORACE=atexit_sleep_ms=0"}
	cmd.Stdin = strings.NewReader(`
set timeout 30
spawn gpt-key set --file
expect "(not shown): " { send "sk-first-in-1234\r" } timeout { exit 9 }
expect "stored the key in" {} timeout { exit 9 } eof { exit 8 }
expect eof
lassign [wait] pid id error status
if {$status != 0} { exit 7 }
spawn gpt-key rotate --base-url http://127.0.0.1:9/v1
expect "bound to api.openai.com" {} "(not shown): " { exit 6 } timeout { exit 9 }
expect eof
wait
spawn gpt-key rotate
expect "new API key for api.openai.com (not shown): " { send "\003" } timeout { exit 9 }
expect eof
wait
# A terminal cuts what is longer than a line can be.
spawn gpt-key set --file
expect "(not shown): " { send "sk-[string repeat k 4100]\r" } timeout { exit 9 }
expect "longer than a terminal's line can be: pipe it in" {} "stored" { exit 4 } timeout { exit 9 } eof { exit 8 }
expect eof
lassign [wait] pid id error status
if {$status != 1} { exit 3 }
spawn gpt-key set --file --profile long
expect "(not shown): " { send "sk-[string repeat k 4090]l\r" } timeout { exit 9 }
expect "stored the key in" {} timeout { exit 9 } eof { exit 8 }
expect eof
wait
spawn gpt-key status
expect "key ending in 1234" {} timeout { exit 9 } eof { exit 5 }
`)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "sk-") {
		t.Errorf("%v: %s", err, out)
	}
	files := credential.Files{ConfigDir: home + "/.config/gptpipe"}
	if e, err := files.Get(t.Context(), "long"); len(e.Key) != maxTyped-1 || !strings.HasSuffix(e.Key, "kl") {
		t.Errorf("stored a key of %d bytes, %v", len(e.Key), err)
	}
}

// A pipe that stays open, with the key in it, is told of.
func TestSetSaysThatItWaits(t *testing.T) {
	u := newUser(t)
	cmd := u.command("set", "--file")
	cmd.Env = append(cmd.Env, "GPT_KEY_TEST_PATIENCE=20ms")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "sk-piped-1234\n"); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(out)
	if line, err := said.ReadString('\n'); line != "gpt-key: waiting for stdin to end\n" {
		t.Errorf("said %q, %v", line, err)
	}
	in.Close()
	rest, _ := io.ReadAll(said)
	if err := cmd.Wait(); err != nil || !strings.HasPrefix(string(rest), "gpt-key: stored the key") {
		t.Errorf("%v: %s", err, rest)
	}
}
