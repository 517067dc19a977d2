package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
)

// served waits until the keeper of a folder is one that was not there before.
func served(t *testing.T, dir string, before uint64) (*hub.Client, uint64) {
	t.Helper()
	for {
		c, err := hub.Open(t.Context(), hub.Config{Dir: dir})
		if err == nil {
			if s, err := c.Stats(t.Context()); err == nil && s.PID != before {
				t.Cleanup(func() { c.Close() })
				return c, s.PID
			}
			c.Close()
		} else if !errors.Is(err, hub.ErrNoKeeper) {
			t.Fatal(err)
		}
	}
}

func end(t *testing.T, serve *exec.Cmd) {
	t.Helper()
	serve.Process.Signal(syscall.SIGTERM)
	if err := serve.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// One that is started by hand takes the place of one that was started on demand, whose users find it.
func TestServeTakesOver(t *testing.T) {
	dir := folder(t)
	user, err := hub.Open(t.Context(), hub.Config{Dir: dir, Command: []string{bin, "serve"}, Linger: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer user.Close()
	if err := user.Put(t.Context(), hub.Key{1}, []byte("x"), "", 0); err != nil {
		t.Fatal(err)
	}
	before, err := user.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	serve := exec.Command(bin, "serve", "--cache", dir, "--cache-size", "64MB")
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer serve.Process.Kill()
	_, pid := served(t, dir, before.PID)
	if int(pid) != serve.Process.Pid {
		t.Errorf("keeper %d is not %d", pid, serve.Process.Pid)
	}
	if _, ok, err := user.Get(t.Context(), hub.Key{1}); !ok || err != nil {
		t.Error(ok, err)
	}
	if s, err := user.Stats(t.Context()); err != nil || s.PID != pid {
		t.Errorf("the user has keeper %d, not %d: %v", s.PID, pid, err)
	}
	if s, err := user.Storage(t.Context()); err != nil || s.Bound != 64_000_000 {
		t.Errorf("%+v, %v", s, err)
	}
	end(t, serve)
}

// systemd passes a socket and wants to be told. The socket is its own and stays.
func TestPassedSocket(t *testing.T) {
	for _, flags := range []string{"", " --linger 1m"} {
		dir := folder(t)
		run := t.TempDir()
		path := filepath.Join(run, "s.sock")
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		file, err := l.File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		notified, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(run, "n.sock"), Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer notified.Close()

		activate := func() {
			serve := exec.Command("/bin/sh", "-c", "LISTEN_PID=$$ exec "+bin+" serve --cache "+dir+flags)
			serve.Env = []string{"LISTEN_FDS=1", "NOTIFY_SOCKET=" + filepath.Join(run, "n.sock")}
			serve.ExtraFiles = []*os.File{file}
			serve.Stderr = os.Stderr
			if err := serve.Start(); err != nil {
				t.Fatal(err)
			}
			defer serve.Process.Kill()
			b := make([]byte, 100)
			notified.SetReadDeadline(time.Now().Add(10 * time.Second))
			if n, err := notified.Read(b); err != nil || string(b[:n]) != "READY=1" {
				t.Fatalf("%q, %v", b, err)
			}
			if named, err := os.ReadFile(filepath.Join(dir, "socket")); err != nil || string(named) != path+"\n" {
				t.Errorf("the folder names %q, %v", named, err)
			}
			c, err := hub.Open(t.Context(), hub.Config{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Put(t.Context(), hub.Key{1}, []byte("x"), "", 0); err != nil {
				t.Error(err)
			}
			c.Close()
			if _, err := os.Stat(filepath.Join(dir, "keeper.sock")); !errors.Is(err, fs.ErrNotExist) {
				t.Error("it has a socket of its own too")
			}
			end(t, serve)
			if _, err := os.Stat(path); err != nil {
				t.Error("the socket is gone:", err)
			}
		}
		activate()
		activate() // when the folder names the socket already
	}
	// What was meant for another process, or is none, is left alone or told.
	dir := folder(t)
	serve := exec.Command(bin, "serve", "--cache", dir)
	serve.Env = []string{"LISTEN_FDS=1", "LISTEN_PID=1"}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer serve.Process.Kill()
	c, _ := served(t, dir, 0)
	c.Close()
	end(t, serve)
	serve = exec.Command("/bin/sh", "-c", "LISTEN_PID=$$ exec "+bin+" serve --cache "+dir)
	serve.Env = []string{"LISTEN_FDS=1"}
	serve.ExtraFiles = []*os.File{os.Stderr}
	if out, err := serve.CombinedOutput(); err == nil || !strings.Contains(string(out), "LISTEN_FDS") {
		t.Errorf("no socket: %v, %s", err, out)
	}
}

// As the first process of a container it ends at SIGTERM, which the system keeps from one that does not ask for it.
func TestFirstProcess(t *testing.T) {
	dir := folder(t)
	args := []string{"-pf", "--mount-proc", "--kill-child", bin, "serve", "--cache", dir}
	if os.Geteuid() != 0 {
		args = append([]string{"-r"}, args...)
	}
	serve := exec.Command("unshare", args...)
	serve.Stderr = os.Stderr
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer serve.Process.Kill()
	c, pid := served(t, dir, 0)
	if pid != 1 {
		t.Errorf("it is process %d", pid)
	}
	if err := c.Put(t.Context(), hub.Key{1}, []byte("x"), "", 0); err != nil {
		t.Error(err)
	}
	c.Close()
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", serve.Process.Pid, serve.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(string(children)))
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(child, syscall.SIGTERM)
	if err := serve.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if s, _, _ := gptCache(t, nil, "stats", "--cache", dir, "--linger", "0"); !strings.Contains(s, "entries: 1\n") {
		t.Errorf("after SIGTERM: %s", s)
	}
}
