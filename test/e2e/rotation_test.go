package e2e

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gptpipe/test/standin"
)

// A run whose key is rotated and then refused goes on with the new one, and no record is lost: not with retries, which
// are off here.
func TestRotationInMidRun(t *testing.T) {
	t.Parallel()
	const before, after = "sk-before-0123456789abcdef", "sk-after-0123456789abcdef"
	j := newJob(t, standin.Config{Key: before, Latency: 20 * time.Millisecond})
	j.flags = []string{"--retries", "0", "--no-cache"}
	j.set("set", before)

	run := j.command()
	var out bytes.Buffer
	run.Stdout, run.Stderr = &out, &out
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	for j.server.Paid() < 20 {
		time.Sleep(time.Millisecond)
	}
	j.set("set", after) // rotate tries it first, and no server takes both
	j.server.SetKey(after)
	if err := run.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	if bytes.Contains(out.Bytes(), []byte("0123456789abcdef")) {
		t.Errorf("a key is told: %s", out.String())
	}
	refused := 0
	for _, q := range j.server.Requests() {
		if q.Status == 401 {
			refused++
		}
	}
	if refused == 0 || refused > 2*j.jobs {
		t.Errorf("%d requests were refused", refused)
	}
	if n := j.paidAgain(); n != 0 {
		t.Errorf("%d answers were paid for again", n)
	}
	j.finish()
}

// set has gpt-key store a key in a file.
func (j *job) set(call, key string) {
	j.Helper()
	cmd := exec.Command(filepath.Join(bin, "gpt-key"), call, "--file")
	cmd.Env, cmd.Stdin = j.env, strings.NewReader(key)
	if out, err := cmd.CombinedOutput(); err != nil {
		j.Fatalf("gpt-key %s: %v\n%s", call, err, out)
	}
}

// A stored key is not sent to where the environment or the configuration points, only to the host that it was set for:
// not to another port of the same machine.
func TestHostileBaseURL(t *testing.T) {
	t.Parallel()
	j := newJob(t, standin.Config{})
	hostile, err := standin.Start(standin.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer hostile.Close()
	j.set("set", "sk-stored-0123456789abcdef")
	ask := func(env ...string) {
		t.Helper()
		cmd := exec.Command(filepath.Join(bin, "gpt-ask"), "-n", "--no-cache", "echo hi")
		cmd.Env = append(append([]string{}, j.env...), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	ask()
	ask("OPENAI_BASE_URL=" + hostile.URL())
	ask("GPT_BASE_URL=" + hostile.URL())
	ask("GPT_BASE_URL="+hostile.URL(), "GPT_PROFILE=default")
	for s, want := range map[*standin.Server]string{j.server: "Bearer sk-stored-0123456789abcdef", hostile: ""} {
		for _, q := range s.Requests() {
			if got := q.Header.Get("Authorization"); got != want {
				t.Errorf("%s got %q", s.URL(), got)
			}
		}
	}
	if n := len(hostile.Requests()); n != 3 { // on this machine no key is needed
		t.Errorf("%d requests came", n)
	}
}
