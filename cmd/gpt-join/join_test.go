package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The test binary is the command itself when this is set.
const asCommand = "GPT_JOIN_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

func joined(t *testing.T, dir, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "GORACE=atexit_sleep_ms=0")
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// On a terminal control characters are made harmless, however the text is cut
// into writes; what it says stays.
func TestHarmless(t *testing.T) {
	const text = "a\x1b[2J é\u0085\r\n中\x00\r😀\x7f\tend\n"
	const want = "a\u241b[2J é\ufffd\n中\u2400\u240d😀\u2421\tend\n"
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		h := &harmless{out: &out}
		for at := 0; at < len(text); at += size {
			if n, err := h.Write([]byte(text[at:min(at+size, len(text))])); err != nil || n == 0 {
				t.Fatal(n, err)
			}
		}
		if out.String() != want {
			t.Errorf("in writes of %d: %q", size, out.String())
		}
	}
}

func TestJoin(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"answers":   "{\"response\":\"One.\"}\n\n{\"response\":\"Two.\"}\n",
		"answer0":   `{"doc":"d","seq":0,"response":"zero"}` + "\n",
		"answer1":   `{"doc":"d","seq":1,"response":{"k": 1},"last":true}` + "\n",
		"failed":    `{"doc":"d","seq":1,"text":"x","error":{"type":"server","message":"down"},"last":true}` + "\n",
		"torn":      "{\"response\":\"One.\"}\n{\"resp",
		"place":     `{"doc":"d","seq":-1,"response":"x"}` + "\n",
		"duplicate": `{"doc":"d","seq":0,"response":"ZERO"}` + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args   []string
		want   string
		stderr string
		status int
	}{
		{args: []string{"answers"}, want: "One.\n\nTwo.\n"},
		{args: []string{"--sep", " / ", "answers", "-"}, want: "One. / Two. / stdin"},
		{args: []string{"answer1", "answer0"}, want: "zero\n\n{\"k\":1}\n"},
		{args: []string{"answer0", "failed"}, want: "zero\n", stderr: "gpt-join: d#1: failed: server: down\n", status: 3},
		{args: []string{"answer1"}, stderr: "gpt-join: d#0: missing\n", status: 3},
		{args: []string{"answer0"}, want: "zero\n", stderr: "gpt-join: d: no last chunk, missing from d#1 on\n", status: 3},
		{args: []string{"--allow-missing", "answer0", "failed"}, want: "zero\n\n[missing d#1]\n", stderr: "gpt-join: d#1: failed: server: down\n"},
		{args: []string{"answer0", "gone", "answer1"}, want: "zero\n\n{\"k\":1}\n", stderr: "gpt-join: gone: no such file or directory\n", status: 1},
		{args: []string{"torn"}, want: "One.\n", stderr: "gpt-join: torn: line 2: the JSON ends too early\n", status: 1},
		{args: []string{"answer0", "duplicate", "answer1"}, want: "zero\n\n{\"k\":1}\n", stderr: "gpt-join: d#0: duplicate with another content, the first one is kept\n", status: 3},
		{args: []string{"answer0", "answer0", "answer1"}, want: "zero\n\n{\"k\":1}\n", stderr: "gpt-join: d#0: duplicate, the first one is kept\n"},
		{args: []string{"answer0", "answer1", "answer0", "answer1"}, want: "zero\n\n{\"k\":1}\n", stderr: "gpt-join: d#0 to d#1: duplicates, the first ones are kept\n"},
		{args: []string{"answers", "place"}, want: "One.\n\nTwo.\n", stderr: "gpt-join: place: line 1: seq -1 is not a whole number from 0 to 999999999999999999\n", status: 3},
		{args: []string{"--jsonl", "answer0", "answer1"}, want: `{"id":"d#0","doc":"d","seq":0,"text":"zero\n\n{\"k\":1}","last":true}` + "\n"},
		{
			args: []string{"-t", "2", "answers"}, want: `{"id":"-#0","doc":"-","seq":0,"tokens":2,"text":"One."}` + "\n" + `{"id":"-#1","doc":"-","seq":1,"tokens":2,"text":"Two.","last":true}` + "\n",
		},
		{
			args: []string{"-t1", "answer0"}, want: `{"id":"d#0","doc":"d","seq":0,"tokens":1,"text":"zero"}` + "\n",
			stderr: "gpt-join: d: no last chunk, missing from d#1 on\n", status: 3,
		},
		{args: []string{"-t", "1", "--in", "k", "-"}, stderr: "gpt-join: -#0: failed: no field \"k\"\n", status: 3},
		{
			args: []string{"-t", "1", "answers"}, want: `{"id":"-#0","doc":"-","seq":0,"tokens":2,"text":"One."}` + "\n" + `{"id":"-#1","doc":"-","seq":1,"tokens":2,"text":"Two.","last":true}` + "\n",
			stderr: "gpt-join: -#0: 2 tokens, over the limit by itself\ngpt-join: -#1: 2 tokens, over the limit by itself\n",
		},
		{args: []string{"-t", "0"}, stderr: "gpt-join: --tokens \"0\": less than 1\ngpt-join: hint: try gpt-join --help\n", status: 2},
		{args: []string{"--encoding", "o200k_base"}, stderr: "gpt-join: --encoding is for --tokens\ngpt-join: hint: try gpt-join --help\n", status: 2},
		{args: []string{os.DevNull}},
	} {
		out, errs, status := joined(t, dir, `{"text":"stdin"}`, test.args...)
		if out != test.want || errs != test.stderr || status != test.status {
			t.Errorf("gpt-join %q: status %d, %q\n%swant %d, %q\n%s", test.args, status, out, errs, test.status, test.want, test.stderr)
		}
	}
}
