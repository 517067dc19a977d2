package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gptpipe/pkg/gather"
	"gptpipe/pkg/llm"
)

// TestMain lets the test binary be a command that panics, or that protects
// itself.
func TestMain(m *testing.M) {
	switch os.Getenv("CLI_TEST_COMMAND") {
	case "":
		os.Exit(m.Run())
	case "panic":
		Main("gpt-x", "", func(_ context.Context, sys *System) error {
			panic(fmt.Errorf("sent %s", sys.Getenv("OPENAI_API_KEY")))
		})
	case "goroutine":
		Main("gpt-x", "", func(ctx context.Context, sys *System) error {
			failing := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
				panic(fmt.Errorf("sent %s", sys.Getenv("OPENAI_API_KEY")))
			})
			_, err := gather.New(failing, 1, false).Complete(ctx, &llm.Request{Body: []byte(`{"input":"x"}`)})
			return err
		})
	case "crash":
		Main("gpt-x", "", func(_ context.Context, sys *System) error {
			sys.Crashes = true
			panic("raw")
		})
	case "protect":
		Protect()
		var core unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
			fmt.Println(err)
		}
		dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		fmt.Println("dumpable", dumpable, "core", core.Cur, core.Max)
	}
}

func runAs(t *testing.T, command string) (output string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = []string{"CLI_TEST_COMMAND=" + command, "OPENAI_API_KEY=key/of+the user", "GORACE=atexit_sleep_ms=0"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func TestPanicHidesSecrets(t *testing.T) {
	for _, command := range []string{"panic", "goroutine"} {
		out, status := runAs(t, command)
		if status != 1 || !strings.HasPrefix(out, "gpt-x: internal error: sent [redacted]\ngoroutine ") ||
			!strings.Contains(out, "harden_test.go:") || strings.Contains(out, "key/of") {
			t.Errorf("%s: status %d: %s", command, status, out)
		}
	}
}

func TestPanicIsLeftToTheRuntime(t *testing.T) {
	if out, status := runAs(t, "crash"); status != 2 || !strings.HasPrefix(out, "panic: raw") {
		t.Errorf("status %d: %s", status, out)
	}
}

func TestProtect(t *testing.T) {
	if out, _ := runAs(t, "protect"); out != "dumpable 0 core 0 0\n" {
		t.Error(out)
	}
}
