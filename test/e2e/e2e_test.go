// Package e2e runs the built commands from shell scripts, each in an empty
// home, against the stand-in server and against a server nobody here wrote.
package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"gptpipe/test/standin"
)

var bin string // folder of the built commands

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "gptpipe-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-race", "-o", dir+"/", "gptpipe/cmd/...")
		build.Env = append(os.Environ(), "CGO_ENABLED=1")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup:               setup,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"standin":  cmdStandin,
			"requests": cmdRequests,
			"paid":     cmdPaid,
			"exits":    cmdExits,
			"window":   cmdWindow,
			"signals":  cmdSignals,
		},
	})
}

// setup gives each script an empty home and none of the user's settings.
func setup(env *testscript.Env) error {
	home := filepath.Join(env.WorkDir, "home")
	if err := os.Mkdir(home, 0o700); err != nil {
		return err
	}
	env.Setenv("HOME", home)
	env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("GPT_LINGER", "1s")
	env.Setenv("GORACE", "atexit_sleep_ms=0")
	for _, name := range []string{"OPENAI_API_KEY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"} {
		env.Setenv(name, "")
	}
	env.Values["server"] = new(*standin.Server)
	// The keeper is to be gone before its folder is: no script leaves one behind.
	env.Defer(func() {
		stop := exec.Command(filepath.Join(bin, "gpt-cache"), "stop", "--cache", filepath.Join(home, ".cache", "gptpipe"))
		stop.Env = []string{"HOME=" + home}
		_ = stop.Run() // most scripts have none running
	})
	return nil
}

func server(ts *testscript.TestScript) *standin.Server {
	s := *ts.Value("server").(**standin.Server)
	if s == nil {
		ts.Fatalf("no standin was started")
	}
	return s
}

// standin [-key KEY] [-model NAME] [-latency D] [-rps N] [-socket FILE] [-batch-polls N] [-batch-fails WORD] [FAULTS]
// starts a stand-in and points OPENAI_BASE_URL at it; an earlier one is ended. Batches end with the Nth poll, and lines
// of them that have the WORD in them fail.
func cmdStandin(ts *testscript.TestScript, neg bool, args []string) {
	var cfg standin.Config
	var fate standin.Fate
	cfg.Batches = func(standin.BatchCall) standin.Fate { return fate }
	for len(args) >= 2 && strings.HasPrefix(args[0], "-") {
		var err error
		switch args[0] {
		case "-key":
			cfg.Key = args[1]
		case "-model":
			cfg.Models = append(cfg.Models, args[1])
		case "-latency":
			cfg.Latency, err = time.ParseDuration(args[1])
		case "-rps":
			cfg.RPS, err = strconv.ParseFloat(args[1], 64)
		case "-socket":
			cfg.Socket = ts.MkAbs(args[1])
		case "-batch-polls":
			fate.Polls, err = strconv.Atoi(args[1])
		case "-batch-fails":
			word := args[1]
			fate.Line = func(body string) string {
				if strings.Contains(body, word) {
					return "400"
				}
				return ""
			}
		default:
			ts.Fatalf("standin: %s?", args[0])
		}
		ts.Check(err)
		args = args[2:]
	}
	if len(args) > 0 {
		faults, err := standin.ParseFaults(args[0])
		ts.Check(err)
		cfg.Faults = faults
	}
	if earlier := *ts.Value("server").(**standin.Server); earlier != nil {
		earlier.Close()
	}
	s, err := standin.Start(cfg)
	ts.Check(err)
	ts.Defer(s.Close)
	*ts.Value("server").(**standin.Server) = s
	ts.Setenv("OPENAI_BASE_URL", s.URL())
}

// requests N checks how many requests the stand-in has seen. Without N it
// writes them to the file "requests": path and body on a line, then the header.
func cmdRequests(ts *testscript.TestScript, neg bool, args []string) {
	seen := server(ts).Requests()
	if len(args) == 1 {
		if n, err := strconv.Atoi(args[0]); err != nil || n != len(seen) {
			ts.Fatalf("the server saw %d requests, not %s", len(seen), args[0])
		}
		return
	}
	var b strings.Builder
	for _, r := range seen {
		fmt.Fprintf(&b, "%s %s\n", r.Path, r.Body)
		for name, values := range r.Header {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(values, ", "))
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs("requests"), []byte(b.String()), 0o600))
}

// paid N checks how many answers were paid for, and that none was twice.
func cmdPaid(ts *testscript.TestScript, neg bool, args []string) {
	s := server(ts)
	if n, err := strconv.Atoi(args[0]); err != nil || n != s.Paid() {
		ts.Fatalf("%d answers were paid for, not %s", s.Paid(), args[0])
	}
	if twice := s.PaidTwice(); len(twice) > 0 {
		ts.Fatalf("paid for twice: %q", twice)
	}
}

// window DURATION N checks that never more than N requests arrived in so long.
func cmdWindow(ts *testscript.TestScript, neg bool, args []string) {
	d, err := time.ParseDuration(args[0])
	ts.Check(err)
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	if got := server(ts).MaxPerWindow(d); got > n {
		ts.Fatalf("%d requests arrived within %v, more than %d", got, d, n)
	}
}

// exits STATUS COMMAND… runs a command and checks its exit status.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		got = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// signals SIGNAL N STATUS COMMAND… runs a command, its stdout in the file
// "out", sends it SIGNAL once the stand-in has N requests in hand, and checks
// its exit status.
func cmdSignals(ts *testscript.TestScript, neg bool, args []string) {
	s := server(ts)
	signal := map[string]os.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM}[args[0]]
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	want, err := strconv.Atoi(args[2])
	ts.Check(err)

	out, err := os.Create(ts.MkAbs("out"))
	ts.Check(err)
	defer out.Close()
	before := len(s.Requests())
	cmd := exec.Command(filepath.Join(bin, args[3]), args[4:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"HOME", "PATH", "OPENAI_BASE_URL", "GPT_LINGER", "GORACE"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	var stderr strings.Builder
	cmd.Stdout, cmd.Stderr = out, &stderr
	ts.Check(cmd.Start())
	deadline := time.Now().Add(20 * time.Second)
	for s.Counts().Total-before < n && time.Now().Before(deadline) {
		time.Sleep(5 * time.Millisecond)
	}
	ts.Check(cmd.Process.Signal(signal))
	err = cmd.Wait()
	ts.Check(os.WriteFile(ts.MkAbs("err"), []byte(stderr.String()), 0o600))
	if got := cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("exit status %d (%v), want %d; stderr:\n%s", got, err, want, stderr.String())
	}
}
