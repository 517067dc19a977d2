package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The test binary is the command itself when this is set.
const asCommand = "GPT_CHUNK_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

func command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// chunked runs the command and returns its streams and exit status.
func chunked(t *testing.T, dir, stdin string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := command(args...)
	var out, errs bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, strings.NewReader(stdin), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func TestLinksNeitherBadgerNorHTTP(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".", "../gpt-join").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		if dep == "net/http" || dep == "net" || strings.Contains(dep, "badger") {
			t.Errorf("gpt-chunk or gpt-join links %s", dep)
		}
	}
}

func TestRecords(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a": "one two", "b": "", "crlf": "\ufeffx\r\n\x00\r\n", "bad": "one two three \xff", "dir/c": "c",
		"records": `{"id":"x","n":1.50,"body":"one two","title":"T"}` + "\n\"three\"\n" + `{"doc":"d","text":"t","response":"four","last":true,"seq":9}` + "\n" +
			`{"doc":"d","text":"five"}` + "\n" + `{"text":"t","error":{"type":"timeout"}}` + "\n",
		"markdown":   `{"section":"x","text":"# A \"q\"\nsome text"}`,
		"badrecords": "{\"text\":\"a\xffb\"}\n{\"x\":1}\nno\n{\"text\":\"c\"}\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		args   string
		want   string
		stderr string
		status int
	}{
		{args: "b"},
		{args: "-c4 a b - dir/c", want: `{"id":"a#0","doc":"a","seq":0,"start":0,"end":4,"tokens":2,"text":"one "}
{"id":"a#1","doc":"a","seq":1,"start":4,"end":7,"tokens":1,"text":"two","last":true}
{"id":"-#0","doc":"-","seq":0,"start":0,"end":3,"tokens":1,"text":"hey","last":true}
{"id":"dir/c#0","doc":"dir/c","seq":0,"start":0,"end":1,"tokens":1,"text":"c","last":true}
`},
		{args: "-b 7 a a --", want: `{"id":"a#0","doc":"a","seq":0,"start":0,"end":7,"tokens":2,"text":"one two","last":true}
{"id":"a~2#0","doc":"a~2","seq":0,"start":0,"end":7,"tokens":2,"text":"one two","last":true}
`, stderr: "gpt-chunk: --: no such file or directory\n", status: 1},
		{args: "-l1 --name n crlf", want: `{"id":"n#0","doc":"n","seq":0,"start":0,"end":6,"tokens":3,"text":"` + "\ufeff" + `x\r\n"}
{"id":"n#1","doc":"n","seq":1,"start":6,"end":9,"tokens":2,"text":"\u0000\r\n","last":true}
`},
		{args: "-c 8 --by none bad gone dir dir/c", want: `{"id":"bad#0","doc":"bad","seq":0,"start":0,"end":8,"tokens":3,"text":"one two "}
{"id":"dir/c#0","doc":"dir/c","seq":0,"start":0,"end":1,"tokens":1,"text":"c","last":true}
`, stderr: `gpt-chunk: bad: invalid UTF-8 at byte 14
gpt-chunk: hint: --replace-invalid reads it as U+FFFD
gpt-chunk: gone: no such file or directory
gpt-chunk: dir: is a directory
`, status: 1},
		{args: "-c 8 --replace-invalid bad", want: `{"id":"bad#0","doc":"bad","seq":0,"start":0,"end":8,"tokens":3,"text":"one two "}
{"id":"bad#1","doc":"bad","seq":1,"start":8,"end":15,"tokens":2,"text":"three ` + "\ufffd" + `","last":true}
`},
		{args: "--jsonl -c 4 --in body records", want: `{"id":"x#0","n":1.50,"title":"T","text":"one ","doc":"x","seq":0,"start":0,"end":4,"tokens":2}
{"id":"x#1","n":1.50,"title":"T","text":"two","doc":"x","seq":1,"start":4,"end":7,"tokens":1,"last":true}
{"text":"t","error":{"type":"timeout"}}
`, stderr: `gpt-chunk: records: line 2: the record has no field "body"
gpt-chunk: records: line 3: the record has no field "body"
gpt-chunk: records: line 4: the record has no field "body"
`, status: 1},
		{args: "--jsonl -c 3 records", want: `{"text":"thr","id":"2#0","doc":"2","seq":0,"start":0,"end":3,"tokens":1}
{"text":"ee","id":"2#1","doc":"2","seq":1,"start":3,"end":5,"tokens":1,"last":true}
{"doc":"d","text":"fou","seq":0,"id":"d#0","start":0,"end":3,"tokens":2}
{"doc":"d","text":"r","seq":1,"id":"d#1","start":3,"end":4,"tokens":1,"last":true}
{"doc":"d~2","text":"fiv","id":"d~2#0","seq":0,"start":0,"end":3,"tokens":2}
{"doc":"d~2","text":"e","id":"d~2#1","seq":1,"start":3,"end":4,"tokens":1,"last":true}
{"text":"t","error":{"type":"timeout"}}
`, stderr: "gpt-chunk: records: line 1: the record has no field \"text\"\n", status: 1},
		{args: "-c 6 --by markdown --name m -", want: `{"id":"m#0","doc":"m","seq":0,"start":0,"end":3,"tokens":1,"section":[],"text":"hey","last":true}
`},
		{args: "--jsonl --by markdown -c 9 markdown", want: `{"section":["A \"q\""],"text":"# A \"q\"\n","id":"1#0","doc":"1","seq":0,"start":0,"end":8,"tokens":5}
{"section":["A \"q\""],"text":"some text","id":"1#1","doc":"1","seq":1,"start":8,"end":17,"tokens":2,"last":true}
`},
		{args: "--jsonl --replace-invalid badrecords", want: `{"text":"a` + "\ufffd" + `b","id":"1#0","doc":"1","seq":0,"start":0,"end":5,"tokens":3,"last":true}
{"text":"c","id":"4#0","doc":"4","seq":0,"start":0,"end":1,"tokens":1,"last":true}
`, stderr: `gpt-chunk: badrecords: line 2: the record has no field "text"
gpt-chunk: badrecords: line 3: not JSON: 'n' at byte 0 where a value should begin
`, status: 1},
	} {
		out, errs, status := chunked(t, dir, "hey", strings.Fields(test.args)...)
		if out != test.want || status != test.status {
			t.Errorf("gpt-chunk %s: status %d\n%swant %d\n%s", test.args, status, out, test.status, test.want)
		}
		if errs != test.stderr {
			t.Errorf("gpt-chunk %s says\n%swant\n%s", test.args, errs, test.stderr)
		}
	}
}

// Flags that make no sense are refused before anything is read: the file they
// name does not exist, and is not missed.
func TestUsageErrors(t *testing.T) {
	for args, want := range map[string]string{
		"-t 5 -c 5":                       "more than one of",
		"--bytes=5 -l5":                   "more than one of",
		"-t 5 --overlap 5":                "leaves no room",
		"--overlap 1000":                  "leaves no room",
		"-t -5":                           "less than 1",
		"-c 0":                            "less than 1",
		"-b 1.5":                          "not a whole number",
		"--overlap -1":                    "less than 0",
		"--by page":                       "none of text",
		"--encoding p50k_base":            "none of o200k_base",
		"-m llama3":                       "is not known",
		"-m gpt-4 --encoding cl100k_base": "both --model and --encoding",
		"--in x":                          "--in is for --jsonl",
		"--jsonl --name x":                "--name is not for --jsonl",
		"--frobnicate":                    "unknown flag",
		"-t":                              "needs a value",
	} {
		out, errs, status := chunked(t, t.TempDir(), "text", append(strings.Fields(args), strings.Fields("gone")...)...)
		if args == "-t" {
			out, errs, status = chunked(t, "", "text", "-t")
		}
		if status != 2 || out != "" || !strings.HasPrefix(errs, "gpt-chunk: ") || !strings.Contains(errs, want) || strings.Contains(errs, "gone:") {
			t.Errorf("gpt-chunk %s: status %d, %s%s", args, status, out, errs)
		}
	}
}

func TestEncodings(t *testing.T) {
	const text = "　　你好" // 3 tokens of o200k_base, 4 of cl100k_base
	for args, want := range map[string]string{"": `"tokens":3,`, "-m gpt-4o": `"tokens":3,`, "-m gpt-4": `"tokens":4,`, "--encoding cl100k_base": `"tokens":4,`} {
		if out, errs, _ := chunked(t, "", text, strings.Fields(args)...); !strings.Contains(out, want) {
			t.Errorf("gpt-chunk %s: %s%s", args, out, errs)
		}
	}
}

// A record comes out of a live stream as soon as it is known.
func TestLiveStream(t *testing.T) {
	cmd := command("-l", "1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	lines := bufio.NewReader(out)
	for _, want := range []string{`"one\n"`, `"two\n"`} {
		io.WriteString(in, strings.Trim(strings.ReplaceAll(want, `\n`, "\n"), `"`)+"t")
		if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, want[1:]) {
			t.Errorf("%s: %s, %v", want, line, err)
		}
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// A reader that goes away ends an endless stream in silence.
func TestClosedPipe(t *testing.T) {
	cmd := command("-t", "10")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer stuck.Stop()
	go func() {
		for {
			if _, err := io.WriteString(in, "Some words without end. "); err != nil {
				return
			}
		}
	}()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	out.Close()
	cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != 141 || errs.Len() > 0 {
		t.Errorf("status %d, %s", status, errs.String())
	}
}
