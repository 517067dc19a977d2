package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// init makes the test binary, before TestMain builds anything, the same user
// who looks at the process of $PEEK_PID in each way that the kernel has.
func init() {
	if pid, err := strconv.Atoi(os.Getenv("PEEK_PID")); err == nil {
		peek(pid)
		os.Exit(0)
	}
}

func peek(pid int) {
	proc := fmt.Sprintf("/proc/%d/", pid)
	_, err := os.ReadFile(proc + "environ")
	fmt.Println("environ:", verdict(err))
	mem, err := os.Open(proc + "mem")
	fmt.Println("mem:", verdict(err))
	if err == nil {
		mem.Close()
	}
	err = syscall.PtraceAttach(pid)
	fmt.Println("ptrace:", verdict(err))
	if err == nil {
		var status syscall.WaitStatus
		syscall.Wait4(pid, &status, 0, nil)
		syscall.PtraceDetach(pid)
	}
}

func verdict(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "refused"
	}
	return fmt.Sprint(err)
}

// Of a command that holds a key, another process of the same user, who is not
// root, sees neither environment nor memory. Of any other process, as cat, it
// does: so the refusal is ours.
func TestNobodyLooksInside(t *testing.T) {
	var as *syscall.SysProcAttr
	if os.Getuid() == 0 { // who may look everywhere
		as = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}} // nobody
	}
	dir, err := os.MkdirTemp("", "peek")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := errors.Join(os.Chmod(dir, 0o777), os.Chmod(bin, 0o755)); err != nil {
		t.Fatal(err)
	}
	self, err := os.ReadFile(os.Args[0])
	if err == nil {
		err = os.WriteFile(dir+"/peek", self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}

	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	// start runs a command and answers when it has said that it is under way.
	start := func(t *testing.T, wait string, args ...string) int {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "OPENAI_API_KEY=" + usualKey,
			"GPT_BASE_URL=http://127.0.0.1:9/v1", "NOTIFY_SOCKET=" + dir + "/notify", "GORACE=atexit_sleep_ms=0"}
		cmd.Dir, cmd.SysProcAttr = dir, as
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		said, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		out.Close()
		t.Cleanup(func() { stdin.Close(); cmd.Process.Kill(); cmd.Wait(); said.Close() })
		io.WriteString(stdin, "a line\n")
		var text []byte
		for !bytes.Contains(text, []byte(wait)) {
			some := make([]byte, 1024)
			n, err := said.Read(some)
			if text = append(text, some[:n]...); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
		}
		return cmd.Process.Pid
	}
	run := func(args ...string) string {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "PEEK_PID=" + args[len(args)-1], "GORACE=atexit_sleep_ms=0"}
		cmd.Dir, cmd.SysProcAttr = dir, as
		out, _ := cmd.CombinedOutput() // gcore's status says nothing
		return string(out)
	}
	look := func(pid int) string { return run(dir+"/peek", strconv.Itoa(pid)) }
	gcore := func(pid int) (made bool, said string) {
		said = run("gcore", "-o", dir+"/core", strconv.Itoa(pid))
		_, err := os.Stat(fmt.Sprintf("%s/core.%d", dir, pid))
		return err == nil, said
	}

	other := start(t, "a line", "cat")
	if got := look(other); !strings.HasPrefix(got, "environ: <nil>\nmem: <nil>\n") {
		t.Fatalf("the test sees nothing of cat either:\n%s", got)
	} else if !strings.Contains(got, "ptrace: <nil>") {
		t.Logf("ptrace is refused for all processes here:\n%s", got)
	}
	for name, args := range map[string][]string{
		"gpt-ask": {"key from", "gpt-ask", "--no-cache", "--log-level=debug"},
		"gpt-map": {"key from", "gpt-map", "--no-cache", "--log-level=debug", "-p", "x"},
		"gpt-key": {"asked", "gpt-key", "status", "--key-command", "echo asked >&2; exec sleep 5"},
		"keeper":  {"NOTIFY_SOCKET", "gpt-cache", "serve", "--cache", dir + "/cache"}, // ready, and has nobody to tell
	} {
		t.Run(name, func(t *testing.T) {
			pid := start(t, args[0], args[1:]...)
			if got := look(pid); !strings.HasPrefix(got, "environ: refused\nmem: refused\nptrace: refused\n") {
				t.Errorf("%s", got)
			}
			t.Run("gcore", func(t *testing.T) {
				if _, err := exec.LookPath("gcore"); err != nil {
					t.Skip("gcore is not installed (package gdb)")
				}
				if made, said := gcore(pid); made || !strings.Contains(said, "Operation not permitted") {
					t.Errorf("gcore: %s", said)
				}
			})
		})
	}
}
