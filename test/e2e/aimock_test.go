package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gptpipe/test/aimock"
)

// A shell runs the built commands against a server.
type shell struct {
	t   *testing.T
	env []string
	dir string
}

func newShell(t *testing.T, baseURL string) *shell {
	dir := t.TempDir()
	sh := &shell{t: t, dir: dir, env: []string{
		"HOME=" + dir,
		"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		"OPENAI_BASE_URL=" + baseURL,
		"OPENAI_API_KEY=test-key",
		"GPT_LINGER=1s",
		"GORACE=atexit_sleep_ms=0",
	}}
	t.Cleanup(func() {
		stop := exec.Command(filepath.Join(bin, "gpt-cache"), "stop")
		stop.Env = sh.env
		_ = stop.Run() // there may be none
	})
	return sh
}

// run runs a script and checks its exit status.
func (sh *shell) run(wantStatus int, script string) (stdout, stderr string) {
	sh.t.Helper()
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir, cmd.Env = sh.dir, sh.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		sh.t.Fatal(err)
	}
	if got := cmd.ProcessState.ExitCode(); got != wantStatus {
		sh.t.Errorf("%s\nexit status %d, want %d; stdout:\n%s\nstderr:\n%s", script, got, wantStatus, &out, &errs)
	}
	return out.String(), errs.String()
}

// TestAgainstAimock asks a server that nobody here wrote.
func TestAgainstAimock(t *testing.T) {
	server := aimock.Start(t)
	sh := newShell(t, server.URL())

	t.Run("records in order", func(t *testing.T) {
		var want strings.Builder
		for i := range 50 {
			fmt.Fprintf(&want, "{\"text\":\"echo line %d\",\"response\":\"line %d\"}\n", i, i)
		}
		for _, api := range []string{"chat", "responses"} {
			got, _ := sh.run(0, `for i in {0..49}; do echo "{\"text\":\"echo line $i\"}"; done | gpt-map --no-cache --api `+api)
			if got != want.String() {
				t.Errorf("%s: got\n%s", api, got)
			}
		}
	})
	t.Run("through failures", func(t *testing.T) {
		server.Chaos(map[string]float64{"dropRate": 0.1, "malformedRate": 0.1, "disconnectRate": 0.1})
		defer server.Chaos(map[string]float64{})
		got, _ := sh.run(0, `for i in {1..30}; do echo "echo $i"; done | gpt-map --no-cache --retries 12 -R | gpt-join --sep ' '`)
		if want := "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30"; strings.TrimSpace(got) != want {
			t.Errorf("got %q", got)
		}
	})
	t.Run("streams", func(t *testing.T) {
		for _, api := range []string{"chat", "responses"} {
			got, _ := sh.run(0, `gpt-ask -n --no-cache --stream --api `+api+` echo one two three`)
			if got != "one two three\n" {
				t.Errorf("%s: got %q", api, got)
			}
			sh.run(1, `gpt-ask -n --no-cache --stream --api `+api+` please cut the stream`)
		}
	})
	t.Run("system message", func(t *testing.T) {
		for _, api := range []string{"chat", "responses"} {
			got, _ := sh.run(0, `gpt-ask -n --no-cache -s 'Be brief.' --api `+api+` echo-system`)
			if got != "Be brief.\n" {
				t.Errorf("%s: got %q", api, got)
			}
		}
	})
	t.Run("JSON", func(t *testing.T) {
		got, _ := sh.run(0, `gpt-ask -n --json please give JSON`)
		if got != `{"name":"Ada","age":36}`+"\n" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("schema", func(t *testing.T) {
		sh.run(0, `echo '{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"}},"required":["name","age"],"additionalProperties":false}' >person.json`)
		got, _ := sh.run(0, `gpt-ask -n --schema person.json please fit the schema`)
		if got != `{"name":"Ada","age":36}`+"\n" {
			t.Errorf("got %q", got)
		}
		got, _ = sh.run(3, `echo please break the schema | gpt-map -R --retries 1 --schema person.json`)
		if !strings.Contains(got, `"error":{"type":"schema"`) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("failures", func(t *testing.T) {
		for question, want := range map[string]string{
			"please run too long": `"error":{"type":"length"`,
			"please be filtered":  `"error":{"type":"content_filter"`,
			"always 500":          `"error":{"type":"server","code":`,
		} {
			got, _ := sh.run(3, `echo '`+question+`' | gpt-map --no-cache -R --retries 1`)
			if !strings.Contains(got, want) {
				t.Errorf("%s: got %s", question, got)
			}
		}
		sh.run(5, `echo no quota left | gpt-map -R`)
		sh.run(0, `echo first 500 please | gpt-map -R`)
	})
	t.Run("batches", func(t *testing.T) {
		sh.run(0, `for i in {1..5}; do echo '{"text":"question '$i'"}'; done >questions`)
		sh.run(0, `gpt-map --batch -o batched questions`)
		got, _ := sh.run(0, `grep -c '"response":"Mock batch completion"' batched; ls`) // it says that to everything
		if got != "5\nbatched\nperson.json\nquestions\n" {
			t.Errorf("got %s", got)
		}
		live, _ := sh.run(0, `gpt-map questions | cmp - batched && echo the same`)
		if live != "the same\n" {
			t.Error("a live run has not gone on from the batch")
		}
	})
	t.Run("lines of batches", func(t *testing.T) {
		sh.run(0, `cat >lines <<'X'
{"custom_id":"c","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o","messages":[{"role":"user","content":"run too long"}],"max_tokens":4}}
{"custom_id":"e","method":"POST","url":"/v1/embeddings","body":{"model":"text-embedding-3-small","input":["one","two"],"dimensions":4}}
{"custom_id":"r","method":"POST","url":"/v1/responses","body":{"model":"gpt-4o","input":"echo three"}}
{"custom_id":"m","method":"POST","url":"/v1/moderations","body":{"input":"four"}}
X`)
		got, _ := sh.run(0, `gpt-map --format batch lines`)
		lines := strings.Split(got, "\n")
		for i, want := range []string{`"finish_reason":"length"`, `"index":1`, `"text":"three"`, `"flagged":false`} {
			if len(lines) != 5 || !strings.Contains(lines[i], want) || !strings.Contains(lines[i], `"status_code":200`) {
				t.Fatalf("got\n%s, want %s in line %d", got, want, i+1)
			}
		}
	})
	t.Run("usage", func(t *testing.T) {
		got, _ := sh.run(0, `echo let this be counted | gpt-map --no-cache -R --meta`)
		if !strings.Contains(got, `"prompt_tokens":11,"completion_tokens":3,"total_tokens":14`) {
			t.Errorf("got %s", got)
		}
	})
}
