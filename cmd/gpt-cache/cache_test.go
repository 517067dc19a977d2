package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
)

// bin is gpt-cache itself: it starts its keeper from the file it is run from.
var bin string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gpt-cache")
	if err != nil {
		panic(err)
	}
	bin = filepath.Join(dir, "gpt-cache")
	status := 1
	if out, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		os.Stderr.Write(out)
	} else {
		status = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

// gptCache runs the command with an environment of nothing but env.
func gptCache(t *testing.T, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	return gptCacheWith(t, nil, env, args...)
}

func gptCacheWith(t *testing.T, stdin io.Reader, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.Command(bin, args...)
	var out, errs bytes.Buffer
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = append(env, "TMPDIR="+os.TempDir()), stdin, &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// folder is a cache folder whose keeper ends with the test.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		if _, stderr, status := gptCache(t, nil, "stop", "--cache", dir); status != 0 {
			t.Errorf("stop: status %d, %s", status, stderr)
		}
	})
	return dir
}

func TestStatuses(t *testing.T) {
	home := folder(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, c := range []struct {
		args   string
		status int
		says   string
	}{
		{"", 2, "nothing to do"},
		{"lost", 2, `"lost" is none of`},
		{"stats x", 2, "unexpected argument"},
		{"stats --older 7d", 2, "unknown flag"},
		{"purge --older soon", 2, "not a duration"},
		{"purge --model=", 2, "--model is empty"},
		{"list x", 2, "unexpected argument"},
		{"get", 2, "needs an id"},
		{"get xyz", 2, "not the beginning of an id"},
		{"get " + strings.Repeat("a", 65), 2, "not the beginning of an id"},
		{"get abc", 1, "no entry begins with abc"},
		{"import /nonexistent", 1, "no such file"},
		{"serve --cache-size 1MB", 2, "less than 32MB"},
		{"serve --cache-size 2XB", 2, "not a size"},
		{"serve --metrics-listen nowhere", 2, "--metrics-listen"},
		{"serve --metrics-listen " + busy.Addr().String(), 1, "address already in use\n"},
		{"list --prometheus", 2, "unknown flag"},
		{"stats --cache redis://localhost", 2, "only a directory"},
		{"stats --cache /proc/gptpipe", 1, "/proc/gptpipe"},
		{"serve --cache /proc/gptpipe", 1, "/proc/gptpipe"},
		{"stop --cache " + home, 0, "no keeper runs"},
	} {
		stdout, stderr, status := gptCache(t, []string{"HOME=" + home}, strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(stderr, c.says) || !strings.HasPrefix(stderr, "gpt-cache: ") || stdout != "" {
			t.Errorf("%s: status %d, stdout %q, stderr %q", c.args, status, stdout, stderr)
		}
	}
	if _, stderr, status := gptCache(t, nil, "stats"); status != 2 || !strings.Contains(stderr, "HOME") {
		t.Errorf("without HOME: status %d, %s", status, stderr)
	}
	if stdout, stderr, status := gptCache(t, nil, "--help"); status != 0 || stdout != usage || stderr != "" {
		t.Errorf("--help: status %d, %s", status, stderr)
	}
}

func TestWhichFolder(t *testing.T) {
	home := folder(t)
	other := filepath.Join(home, "other")
	config := filepath.Join(home, "config", "gptpipe")
	if err := os.MkdirAll(config, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(config, "config"), []byte("cache "+other+"\nmodel gpt-5\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		env, args []string
		want      string
	}{
		{[]string{"HOME=" + home}, nil, home + "/.cache/gptpipe"},
		{[]string{"HOME=" + home, "XDG_CACHE_HOME=" + home + "/xdg"}, nil, home + "/xdg/gptpipe"},
		{[]string{"HOME=" + home, "XDG_CONFIG_HOME=" + home + "/config"}, nil, other},
		{[]string{"HOME=" + home, "GPT_CACHE=" + other}, nil, other},
		{[]string{"GPT_CACHE=" + home}, []string{"--cache", other}, other},
	} {
		stdout, stderr, status := gptCache(t, c.env, append([]string{"stats", "--linger=0"}, c.args...)...)
		if folder, _, _ := strings.Cut(stdout, "\n"); folder != "folder: "+c.want || status != 0 {
			t.Errorf("%v %v: %s%s", c.env, c.args, stdout, stderr)
		}
	}
	if stdout, _, status := gptCache(t, nil, "--cache", other, "stats", "--linger=0"); status != 0 || !strings.Contains(stdout, other) {
		t.Errorf("--cache before the call: %d, %s", status, stdout)
	}
}

func TestStatsAndPurge(t *testing.T) {
	dir := folder(t)
	c, err := hub.Open(t.Context(), hub.Config{Dir: dir, Command: []string{bin, "serve"}, Linger: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i, model := range []string{"gpt-4o", "gpt-5", "gpt-5-mini"} {
		if err := c.Put(t.Context(), hub.Key{byte(i)}, []byte("x"), model, 0); err != nil {
			t.Fatal(err)
		}
	}
	c.Get(t.Context(), hub.Key{0})
	c.Get(t.Context(), hub.Key{9})
	stdout, _, _ := gptCache(t, nil, "stats", "--cache", dir)
	want := `^folder: \S+
entries: 3
bytes: \d+ \(\S+ .?i?B on disk\)
bound: 2000000000 \(1.9 GiB\)
generations: 1
hits: 1
misses: 1
stores: 3
users: 1
keeper: \d+
leases: 0
waiting: 0
$`
	if !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("stats: %s", stdout)
	}
	for _, step := range []struct{ flags, says string }{
		{"--older 7d", "gpt-cache: removed 0 entries\n"},
		{"--model gpt-5-m", "gpt-cache: removed 1 entry\n"},
		{"", "gpt-cache: removed 2 entries\n"},
	} {
		_, stderr, status := gptCache(t, nil, append([]string{"purge", "--cache", dir}, strings.Fields(step.flags)...)...)
		if stderr != step.says || status != 0 {
			t.Errorf("purge %s: status %d, %s", step.flags, status, stderr)
		}
	}
}

// By hand the keeper stays without users, and a signal ends it well.
func TestServeByHand(t *testing.T) {
	dir := folder(t)
	serve := exec.Command(bin, "serve", "--cache", dir)
	serve.Env = []string{"GPT_LINGER=0"}
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	defer serve.Process.Kill()
	var c *hub.Client
	for c == nil { // until it has come up
		var err error
		if c, err = hub.Open(t.Context(), hub.Config{Dir: dir}); err != nil && !errors.Is(err, hub.ErrNoKeeper) {
			t.Fatal(err)
		}
	}
	s, err := c.Stats(t.Context())
	if err != nil || int(s.PID) != serve.Process.Pid {
		t.Fatalf("keeper %d, not %d: %v", s.PID, serve.Process.Pid, err)
	}
	if err := c.Put(t.Context(), hub.Key{1}, []byte("x"), "", 0); err != nil {
		t.Fatal(err)
	}
	c.Close()

	// One that a client starts, in a race, finds it there and is no failure; one more by hand is.
	if _, stderr, status := gptCache(t, nil, "serve", "--cache", dir, "--linger", "1s"); status != 0 {
		t.Errorf("a second keeper on demand: status %d, %s", status, stderr)
	}
	if _, stderr, status := gptCache(t, nil, "serve", "--cache", dir); status != 1 || !strings.Contains(stderr, "gpt-cache stop") {
		t.Errorf("a second keeper by hand: status %d, %s", status, stderr)
	}

	serve.Process.Signal(syscall.SIGTERM)
	if err := serve.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if stdout, _, _ := gptCache(t, nil, "stats", "--cache", dir, "--linger", "0"); !strings.Contains(stdout, "entries: 1\n") {
		t.Errorf("after SIGTERM: %s", stdout)
	}
}
