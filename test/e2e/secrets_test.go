package e2e

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gptpipe/test/standin"
)

const (
	knownKey   = "sk-proj-Aq/9+Zt~Lw3:Vb7%Nm5Kd8Xr2Hs6Jf4Gp"   // with characters that encodings change
	usualKey   = "sk-proj-Hq29Vt_Lw3-Vb7Nm5Kd8Xr2Hs6Jf4GpQ0Zu" // of which nothing is known but its form
	nextKey    = "sk-proj-Ru8/2+Yx~Kd5:Mw9%Bg3Tc7Zp4Vn6Qj1Lh"  // that takes its place
	wrongPlace = "--mistyped"
)

// spellings are the forms that the keys may turn up in; in base64 in the middle of a text too.
func spellings() [][]byte {
	list := [][]byte{
		[]byte(nextKey), []byte(nextKey[12:28]), []byte(nextKey[20:]),
		[]byte(usualKey), []byte(usualKey[12:28]),
		[]byte(knownKey), []byte(url.QueryEscape(knownKey)), []byte(url.PathEscape(knownKey)),
		[]byte(knownKey[12:28]), []byte(knownKey[20:]), []byte(fmt.Sprintf("%x", knownKey)),
	}
	for shift := range 3 {
		text := base64.RawStdEncoding.EncodeToString([]byte("xyz"[:shift] + knownKey))
		list = append(list, []byte(text[4:len(text)-4]), []byte(strings.NewReplacer("+", "-", "/", "_").Replace(text[4:len(text)-4])))
	}
	return list
}

// A leak is where a key was seen that has no place there.
type leak struct {
	*testing.T
	home string
	env  []string
}

func (l *leak) search(where string, data []byte) {
	l.Helper()
	for _, s := range spellings() {
		if i := bytes.Index(data, s); i >= 0 {
			l.Errorf("%s has the key: %.200q", where, data[max(0, i-80):])
			return
		}
	}
}

// run runs a command at level debug, searches what it says, and while it runs what its process and its children show
// of themselves to others. It returns the exit status.
func (l *leak) run(stdin string, env []string, args ...string) int {
	l.Helper()
	name := strings.Join(args, " ")
	if len(name) > 60 {
		name = name[:60]
	}
	cmd := exec.Command(filepath.Join(bin, args[0]), args[1:]...)
	cmd.Env = append(append([]string{}, l.env...), env...)
	cmd.Dir = l.home
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Start(); err != nil {
		l.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	given := fmt.Sprint(args, env)
	for watching := true; watching; {
		select {
		case <-done:
			watching = false
		case <-time.After(5 * time.Millisecond):
		}
		l.processes(given)
	}
	l.search("stdout of "+name, out.Bytes())
	l.search("stderr of "+name, errs.Bytes())
	l.Logf("%s: status %d, stderr of %d bytes", name, cmd.ProcessState.ExitCode(), errs.Len())
	return cmd.ProcessState.ExitCode()
}

// processes searches the arguments and the environment of all of our processes, but for what the user gave them.
func (l *leak) processes(given string) {
	l.Helper()
	all, _ := filepath.Glob("/proc/[0-9]*/exe")
	for _, exe := range all {
		path, err := os.Readlink(exe)
		if err != nil || !strings.HasPrefix(path, bin) {
			continue
		}
		proc := filepath.Dir(exe)
		environ, _ := os.ReadFile(proc + "/environ")
		if !bytes.Contains(environ, []byte("HOME="+l.home+"\x00")) {
			continue // another test's
		}
		if !strings.Contains(given, knownKey) && !strings.Contains(given, usualKey) || filepath.Base(path) == "gpt-cache" {
			l.search("the environment of "+path, environ)
		}
		if cmdline, err := os.ReadFile(proc + "/cmdline"); err == nil && !strings.Contains(string(cmdline), wrongPlace) {
			l.search("the arguments of "+path, cmdline)
		}
	}
}

// files searches all files under the home but those that the key is stored in.
func (l *leak) files() (n int) {
	l.Helper()
	err := filepath.WalkDir(l.home, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || filepath.Base(filepath.Dir(path)) == "keys" || filepath.Base(path) == "credential" {
			return err
		}
		data, err := os.ReadFile(path)
		l.search(path, data)
		n++
		return err
	})
	if err != nil {
		l.Error(err)
	}
	return n
}

// Every command, with a key from each source, through success and failure, at level debug: the key is in no argument, no
// environment but that which the user made, no output, no cache, log, metrics or configuration.
func TestTheKeyIsNowhere(t *testing.T) {
	t.Parallel()
	s, err := standin.Start(standin.Config{Key: knownKey, Latency: 20 * time.Millisecond, Faults: standin.MustFaults("body~broken:400;body~cut:cut-body;body~redirect:redirect")})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l := &leak{T: t, home: t.TempDir()}
	l.env = []string{"HOME=" + l.home, "PATH=" + bin + ":" + os.Getenv("PATH"), "OPENAI_BASE_URL=" + s.URL(), "GPT_LOG_LEVEL=debug", "GPT_LINGER=20s", "GORACE=atexit_sleep_ms=0"}
	defer func() {
		stop := exec.Command(filepath.Join(bin, "gpt-cache"), "stop")
		stop.Env = l.env
		if out, err := stop.CombinedOutput(); err != nil {
			t.Errorf("gpt-cache stop: %v\n%s", err, out)
		}
	}()
	want := func(status, got int) {
		t.Helper()
		if status != got {
			t.Errorf("status %d, not %d", got, status)
		}
	}
	dir := filepath.Join(l.home, "credentials")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "openai-api-key"), []byte(knownKey), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, filepath.Join(l.home, "keys")); err != nil { // a name that files passes over
		t.Fatal(err)
	}
	helper := filepath.Join(l.home, "keys", "helper") // that says too much
	if err := os.WriteFile(helper, []byte("#!/bin/sh\necho trying "+usualKey+" >&2\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	records := "{\"text\":\"echo one\"}\n{\"text\":\"broken\"}\n{\"text\":\"redirect\"}\n{\"text\":\"cut\"}\nrubbish\n"
	wrong := []string{"OPENAI_API_KEY=" + strings.ToUpper(knownKey)}

	want(0, l.run(knownKey, nil, "gpt-key", "set", "--file"))
	sources := map[string][]string{
		"file":        nil,
		"environment": {"OPENAI_API_KEY=" + knownKey},
		"systemd":     {"CREDENTIALS_DIRECTORY=" + filepath.Join(l.home, "keys")},
		"command":     {"GPT_KEY_COMMAND=cat " + filepath.Join(l.home, "keys", "openai-api-key") + "; cat >&2 /dev/null"},
	}
	for name, env := range sources {
		want(0, l.run("", env, "gpt-ask", "-n", "echo", name))
		want(0, l.run("", env, "gpt-ask", "-n", "--stream", "--no-cache", "echo", name))
		want(1, l.run("", env, "gpt-ask", "-n", "broken", name))
		want(1, l.run("", env, "gpt-ask", "-n", "redirect", name))
		want(3, l.run(records, env, "gpt-map", "--retries", "1", "--metrics-file", "metrics", "--meta"))
		want(0, l.run("", env, "gpt-key", "status"))
	}
	want(4, l.run("", wrong, "gpt-ask", "-n", "--no-cache", "echo", "refused"))
	want(4, l.run(records, wrong, "gpt-map", "--no-cache"))
	want(0, l.run("{\"text\":\"echo batch\"}\n", nil, "gpt-map", "--batch"))
	want(0, l.run(records, nil, "gpt-map", "--dry-run"))
	want(0, l.run("{\"text\":\"a\"}\n", nil, "gpt-map", "--embed"))
	want(1, l.run("", nil, "gpt-ask", "-n", "--no-cache", "--retries", "1", "--base-url", "http://127.0.0.1:1/v1", "--key-command", "cat keys/openai-api-key", "hello"))
	want(4, l.run("", nil, "gpt-ask", "-n", "--key-command", "keys/helper", "hello"))

	// One that was given as the name of a model is in the request, and in nothing that others may read.
	want(1, l.run("", []string{"GPT_MODEL=" + usualKey}, "gpt-ask", "-n", "--metrics-file", "metrics", "broken", "model"))

	// A key in the wrong place on the command line, where all can see it, is not repeated.
	for _, args := range [][]string{
		{"gpt-ask", wrongPlace + "=" + usualKey}, {"gpt-map", "--jobs", usualKey, wrongPlace}, {"gpt-map", "--api=" + usualKey, wrongPlace},
		{"gpt-ask", "--base-url", "https://user:" + usualKey + "@h/v1", wrongPlace}, {"gpt-ask", "--option", "key=" + usualKey, wrongPlace},
		{"gpt-key", "set", usualKey, wrongPlace}, {"gpt-key", usualKey, wrongPlace}, {"gpt-key", "status", "--max-age", usualKey, wrongPlace},
		{"gpt-cache", usualKey, wrongPlace}, {"gpt-chunk", "--tokens", usualKey, wrongPlace}, {"gpt-join", "--tokens", usualKey, wrongPlace},
		{"gpt-ask", wrongPlace + "=" + knownKey}, {"gpt-map", "--jobs", knownKey, wrongPlace}, {"gpt-map", "--api=" + knownKey, wrongPlace},
		{"gpt-ask", "--log-level", knownKey, wrongPlace}, {"gpt-key", "set", "--file=" + knownKey, wrongPlace}, {"gpt-cache", knownKey, wrongPlace},
	} {
		want(2, l.run("", nil, args...))
	}

	for _, call := range [][]string{{"stats"}, {"list"}, {"export"}, {"compact"}} {
		want(0, l.run("", nil, append([]string{"gpt-cache"}, call...)...))
	}
	want(0, l.run("", nil, "gpt-key", "list"))
	want(0, l.run("", nil, "gpt-key", "audit"))
	want(0, l.run("", nil, "gpt-key", "audit", "--json"))
	want(1, l.run(knownKey, nil, "gpt-key", "rotate"))
	want(4, l.run(nextKey, nil, "gpt-key", "rotate"))
	s.SetKey(nextKey)
	want(0, l.run(nextKey, nil, "gpt-key", "rotate"))
	want(0, l.run("", nil, "gpt-ask", "-n", "--no-cache", "echo", "rotated"))
	want(0, l.run("", nil, "gpt-key", "audit"))
	want(0, l.run("", nil, "gpt-key", "delete"))
	want(4, l.run("", nil, "gpt-key", "status"))

	want(0, l.run("", nil, "gpt-cache", "stop")) // which may drop files while they are searched
	if n := l.files(); n < 5 {
		t.Errorf("only %d files were searched", n)
	}
	for _, name := range []string{"metrics", ".local/state/gptpipe/audit.jsonl"} {
		if data, err := os.ReadFile(filepath.Join(l.home, name)); err != nil || len(data) == 0 {
			t.Errorf("%s was not written: %v", name, err)
		}
	}
}
