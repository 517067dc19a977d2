package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gptpipe/test/standin"
)

// mostExposed is the highest exposure level, in tenths, that a service may have: systemd-analyze(1), security.
const mostExposed = "29"

// Units say what they mean: systemd passes over a key that it does not know, and says so on stderr alone.
func TestUnits(t *testing.T) {
	prefix := t.TempDir()
	install(t, "", prefix) // for what is to be started must be there
	env := []string{"XDG_RUNTIME_DIR=" + t.TempDir(), "HOME=" + t.TempDir()}
	for manager, units := range map[string][]string{
		"--system": {"system/gpt-cache.socket", "system/gpt-cache.service", "system/gpt-map@.service", "system/gpt-map@.path"},
		"--user":   {"user/gpt-cache.socket", "user/gpt-cache.service"},
	} {
		args := []string{manager, "verify", "--man=no"}
		for _, unit := range units {
			unit = filepath.Join(prefix, "lib/systemd", unit)
			if args = append(args, unit); !strings.HasSuffix(unit, ".service") {
				continue
			}
			if out, status := output(t, ".", env, "systemd-analyze", "security", "--offline=true", "--threshold="+mostExposed, unit); status != 0 {
				t.Errorf("%s is too exposed:\n%s", unit, out)
			}
		}
		if out := must(t, ".", env, "systemd-analyze", args...); out != "" {
			t.Error(out)
		}
	}

	// The tool does find what it is asked to find.
	broken := filepath.Join(prefix, "lib/systemd/system/gpt-cache.service")
	write(t, broken, strings.Replace(read(t, broken), "UMask=", "UMsk=", 1))
	if out, _ := output(t, ".", env, "systemd-analyze", "verify", "--man=no", broken); !strings.Contains(out, "UMsk") {
		t.Errorf("a key that there is not: %q", out)
	}
}

// The first command that wants the keeper has systemd start it, on the socket where the units listen.
func TestSocketActivation(t *testing.T) {
	if unit := read(t, filepath.Join(root, "deploy/systemd/user/gpt-cache.socket")); !strings.Contains(unit, "\nListenStream=%C/gptpipe/keeper.sock\n") {
		t.Fatalf("the socket is elsewhere:\n%s", unit)
	}
	server, err := standin.Start(standin.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	cache := filepath.Join(t.TempDir(), "gptpipe")
	if err := os.Mkdir(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{"HOME=" + t.TempDir(), "GPT_CACHE=" + cache, "OPENAI_BASE_URL=" + server.URL(), "OPENAI_API_KEY="}
	socket := filepath.Join(cache, "keeper.sock")
	activate := exec.Command("systemd-socket-activate", "-l", socket, filepath.Join(bin, "gpt-cache"), "serve", "--cache", cache)
	activate.Env = append(os.Environ(), env...)
	if err := activate.Start(); err != nil {
		t.Fatal(err)
	}
	defer activate.Process.Kill()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Lstat(socket); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody listens")
		}
	}
	if comm := read(t, fmt.Sprintf("/proc/%d/comm", activate.Process.Pid)); !strings.HasPrefix(comm, "systemd-socket") {
		t.Errorf("started before anybody came: %s", comm)
	}
	ask := filepath.Join(bin, "gpt-ask")
	for range 2 {
		if out := must(t, ".", env, ask, "-n", "echo hello"); out != "hello\n" {
			t.Error(out)
		}
	}
	if n := server.Paid(); n != 1 {
		t.Errorf("%d requests", n)
	}
	stats := must(t, ".", env, filepath.Join(bin, "gpt-cache"), "stats")
	if want := fmt.Sprintf("\nkeeper: %d\n", activate.Process.Pid); !strings.Contains(stats, want) {
		t.Errorf("the keeper is not %s%s", want, stats)
	}
	activate.Process.Signal(syscall.SIGTERM)
	if err := activate.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(socket); err != nil {
		t.Error("systemd's socket is gone:", err)
	}
}
