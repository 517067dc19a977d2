package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gptpipe/test/standin"
)

func TestServe(t *testing.T) {
	dir := t.TempDir()
	ready, log := filepath.Join(dir, "ready"), filepath.Join(dir, "log")
	stdin, parent := io.Pipe()
	var stderr bytes.Buffer
	ended := make(chan int)
	go func() {
		ended <- run(context.Background(), []string{"-ready-file", ready, "-log", log, "-faults", "at=1:500", "-for", "1m", "-until-stdin-closes"}, stdin, &stderr)
	}()
	var url []byte
	for url == nil { // what a shell script does
		time.Sleep(time.Millisecond)
		url, _ = os.ReadFile(ready)
	}
	for range 2 {
		req, err := http.NewRequest("POST", strings.TrimSpace(string(url))+"/chat/completions", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer sk-secret-0123456789wxyz")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	logged, err := os.ReadFile(log) // before the end: a request is logged before its answer is whole
	if err != nil {
		t.Fatal(err)
	}
	parent.Close()
	if code := <-ended; code != 0 {
		t.Errorf("status %d", code)
	}
	lines := strings.Split(strings.TrimSpace(string(logged)), "\n")
	if len(lines) != 2 {
		t.Fatalf("logged: %s", logged)
	}
	for i, want := range []int{500, 200} {
		var r standin.Request
		if err := json.Unmarshal([]byte(lines[i]), &r); err != nil || r.Status != want || r.N != i+1 {
			t.Errorf("line %d: %v: %s", i+1, err, lines[i])
		}
	}
	if strings.Contains(string(logged), "sk-secret") || !strings.Contains(string(logged), "…wxyz") {
		t.Errorf("the key in the log: %s", logged)
	}
	if !strings.Contains(stderr.String(), "answers are invented") {
		t.Errorf("stderr: %s", stderr.String())
	}
}

func TestServeEnds(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-for", "1ms"}, 0, "stand-in"},
		{[]string{"-h"}, 0, "-ready-file"},
		{[]string{"-nonsense"}, 2, "nonsense"},
		{[]string{"operand"}, 2, "operand"},
		{[]string{"-faults", "sometimes"}, 1, `"sometimes"`},
		{[]string{"-addr", "256.0.0.1:0"}, 1, "256.0.0.1"},
		{[]string{"-log", "/nowhere/log"}, 1, "/nowhere/log"},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), test.args, strings.NewReader(""), &stderr); code != test.code || !strings.Contains(stderr.String(), test.says) {
			t.Errorf("%q: status %d, want %d, says %s", test.args, code, test.code, stderr.String())
		}
	}
}
