package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A filter that is sent a signal while it waits for its input exits with the status of one that was interrupted, which
// only a parent that is no shell tells from dying of it.
func TestSignalsEndFilters(t *testing.T) {
	for _, command := range []string{"gpt-chunk", "gpt-join", "gpt-cache import"} {
		for signal, want := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
			words := strings.Fields(command)
			cmd := exec.Command(filepath.Join(bin, words[0]), words[1:]...)
			cmd.Env = []string{"HOME=" + t.TempDir()}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			// More than a pipe holds: it has begun to read.
			if _, err := in.Write(make([]byte, 1<<20)); err != nil {
				t.Error(err)
			}
			cmd.Process.Signal(signal)
			if cmd.Wait(); cmd.ProcessState.ExitCode() != want {
				t.Errorf("%s after %v: %v, want status %d", command, signal, cmd.ProcessState, want)
			}
		}
	}
}
