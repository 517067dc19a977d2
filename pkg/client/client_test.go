package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/redact"
	"gptpipe/test/standin"
)

func start(t *testing.T, cfg standin.Config) *standin.Server {
	t.Helper()
	s, err := standin.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// newClient makes a client of a server that shares nothing.
func newClient(t *testing.T, s *standin.Server, args ...string) *Client {
	t.Helper()
	u := user{args: append([]string{"--base-url", s.URL(), "--no-cache"}, args...)}
	u.home(t)
	c, err := u.client(t)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ask(t *testing.T, c *Client, text string) (*llm.Response, error) {
	t.Helper()
	req, err := c.Request(llm.Message{Role: "user", Content: text})
	if err != nil {
		t.Fatal(err)
	}
	return c.Complete(t.Context(), req)
}

// The chain as a whole: attempts are retried, and counted each.
func TestRetriesThroughTheChain(t *testing.T) {
	s := start(t, standin.Config{Faults: standin.MustFaults("at=1:429,retry-after-ms=1;at=2:bad-json;at=3:reset")})
	c := newClient(t, s)
	resp, err := ask(t, c, "echo hi")
	if err != nil || resp.Text != "hi" || resp.Attempts != 4 || c.Retried() != 3 {
		t.Errorf("%+v, error %v, %d retried", resp, err, c.Retried())
	}
	totals, count := c.counters.Take(), 0.0
	for series, n := range totals {
		if strings.HasPrefix(series, "gpt_requests_total") {
			count += n
		}
	}
	if count != 4 || s.Counts().Total != 4 {
		t.Errorf("counted %v of %d requests", totals, s.Counts().Total)
	}
}

// A model that forgets its schema is asked again, at once.
func TestSchemaIsCheckedInsideTheRetries(t *testing.T) {
	schema := t.TempDir() + "/schema.json"
	write(t, schema, `{"type":"object","properties":{"answer":{"type":"string"}},"required":["answer"],"additionalProperties":false}`)
	s := start(t, standin.Config{Faults: standin.MustFaults("at=1:schema-mismatch;at=2:not-json-answer")})
	resp, err := ask(t, newClient(t, s, "--schema", schema), "echo hi")
	if err != nil || resp.Text != `{"answer":"hi"}` || resp.Attempts != 3 {
		t.Errorf("%+v, error %v", resp, err)
	}
	s = start(t, standin.Config{Faults: standin.MustFaults("schema-mismatch")})
	_, err = ask(t, newClient(t, s, "--schema", schema, "--retries", "2"), "echo hi")
	var e *llm.Error
	if !errors.As(err, &e) || e.Type != llm.Schema || e.Attempts != 3 {
		t.Errorf("error %v", err)
	}
}

// Each attempt takes its own start from the limits, a retry too, and identical
// requests of one process are its own with --no-cache.
func TestEveryAttemptIsPaced(t *testing.T) {
	s := start(t, standin.Config{Faults: standin.MustFaults("every=2:429,retry-after-ms=1")})
	c := newClient(t, s, "--rps", "20", "--retries", "20")
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if _, err := ask(t, c, "echo hi"); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	sent := s.Requests()
	if s.Paid() != 10 || len(sent) < 19 {
		t.Errorf("%+v", s.Counts())
	}
	// Were the retries not paced, it would be half as long.
	took := sent[len(sent)-1].At.Sub(sent[0].At)
	if least := time.Duration(len(sent)-1) * time.Second / 20 * 8 / 10; took < least {
		t.Errorf("%d attempts came within %v, want %v at least", len(sent), took, least)
	}
}

func TestKey(t *testing.T) {
	const inEnvironment, fromCommand, inFile = "sk-environment-0123456789", "sk-command-0123456789", "sk-file-0123456789"
	for _, test := range []struct {
		name string
		u    user
		want string // "Authorization OpenAI-Organization OpenAI-Project"
	}{
		{"none on loopback", user{}, " org-1 proj-1"},
		{"from the environment", user{env: map[string]string{"OPENAI_API_KEY": inEnvironment}}, "Bearer " + inEnvironment + " org-1 proj-1"},
		{"from a command", user{args: []string{"--key-command", "echo " + fromCommand}, env: map[string]string{"OPENAI_API_KEY": inEnvironment}}, "Bearer " + fromCommand + " org-1 proj-1"},
		{"a profile is named", user{args: []string{"--profile", "work"}, env: map[string]string{"OPENAI_API_KEY": inEnvironment}}, "  "},
		{"a profile's organization", user{args: []string{"--profile", "work"}, files: map[string]string{
			"profiles/work": "organization org-2\nissuer https://login.invalid\nscope a\nscope b\n", "config": "project proj-2\n",
		}}, " org-2 proj-2"},
		{"a file that is bound elsewhere", user{files: map[string]string{"keys/default": inFile + "\n"}}, " org-1 proj-1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, standin.Config{})
			test.u.args = append(test.u.args, "--base-url", s.URL(), "--no-cache")
			test.u.home(t)
			t.Setenv("OPENAI_ORG_ID", "org-1")
			t.Setenv("OPENAI_PROJECT_ID", "proj-1")
			c, err := test.u.client(t)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ask(t, c, "hi"); err != nil {
				t.Fatal(err)
			}
			h := s.Requests()[0].Header
			if got := h.Get("Authorization") + " " + h.Get("OpenAI-Organization") + " " + h.Get("OpenAI-Project"); got != test.want {
				t.Errorf("%q, not %q", got, test.want)
			}
			if !strings.HasPrefix(h.Get("User-Agent"), "gptpipe/") {
				t.Errorf("User-Agent %q", h.Get("User-Agent"))
			}
		})
	}
}

// Some gateways repeat the key. What the model says is the user's data; nothing else brings the key any further.
func TestKeyThatIsRepeated(t *testing.T) {
	const key = "zq7Hq29VtLw3Vb7Nm5Kd8Xr2Hs6Jf4Gp"
	const answer = `{"id":"KEY","model":"m-KEY","service_tier":"KEY","choices":[{"index":0,"finish_reason":"KEY","message":{"content":"said KEY","refusal":REFUSAL}}],` +
		`"usage":{"prompt_tokens":3,"by":"x/KEY","KEY":[{"sum":1.50,"of":"enE3SHEyOVZ0THczVmI3Tm01S2Q4WHIySHM2SmY0R3A="}]}}`
	whole := strings.NewReplacer("KEY", key, "REFUSAL", "null").Replace(answer)
	refused := strings.NewReplacer("KEY", key, "REFUSAL", `"no `+key+`"`).Replace(answer)
	fault := strings.ReplaceAll(`{"error":{"code":"KEY","message":"wrong: KEY"},"choices":"KEY","output":null,"input":"Bearer KEY"}`, "KEY", key)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Request-Id", "r-"+key)
		switch {
		case strings.Contains(string(body), "refuse"):
			io.WriteString(w, refused)
		case strings.Contains(string(body), "fail"):
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, fault)
		default:
			io.WriteString(w, whole)
		}
	}))
	defer s.Close()
	u := user{args: []string{"--base-url", s.URL, "--no-cache"}, env: map[string]string{"OPENAI_API_KEY": key}}
	u.home(t)
	c, err := u.client(t)
	if err != nil {
		t.Fatal(err)
	}
	stored := func(resp *llm.Response, err error) string {
		t.Helper()
		data, failed := json.Marshal(resp)
		if failed != nil {
			t.Fatal(failed)
		}
		return strings.ReplaceAll(fmt.Sprintf("%s %v", data, err), redact.Mask, "*")
	}
	failure := func(_ *llm.Response, err error) string {
		e := llm.Failed(err)
		return strings.ReplaceAll(string(e.Body)+" "+e.RequestID, redact.Mask, "*")
	}
	entire := &llm.Request{Path: "/chat/completions", Body: []byte(`{}`)}
	const usage = `"usage":{"prompt_tokens":3,"by":"x/*","*":[{"sum":1.50,"of":"*"}]}`
	batch := c.BatchJob()
	for _, test := range []struct{ name, got, want string }{
		{"an answer", stored(ask(t, c, "say")), `{"text":"said ` + key + `","model":"m-*","finish_reason":"*",` + usage + `,"request_id":"r-*"} <nil>`},
		{"a refusal", stored(ask(t, c, "refuse")), `{"text":"said ` + key + `","model":"m-*","finish_reason":"*","refusal":"no *",` + usage + `,"request_id":"r-*"} refusal: no *`},
		{"a failure", stored(ask(t, c, "fail")), "null invalid_request (400): wrong: *"},
		{"all of a failure", failure(c.Complete(t.Context(), &llm.Request{Path: "/chat/completions", Body: []byte(`"fail"`)})),
			`{"error":{"code":"*","message":"wrong: *"},"choices":"*","output":null,"input":"Bearer *"} r-*`},
		{"all of an answer", stored(c.Complete(t.Context(), entire)), `{"text":"","model":"m-*",` + usage + `,"body":{"id":"*","model":"m-*","service_tier":"*",` +
			`"choices":[{"index":0,"finish_reason":"*","message":{"content":"said ` + key + `","refusal":null}}],` + usage + `},"request_id":"r-*"} <nil>`},
		{"of a batch", stored(batch.Read(200, []byte(refused))), `{"text":"said ` + key + `","model":"m-*","finish_reason":"*","refusal":"no *",` + usage + `} refusal: no *`},
		{"a failure of a batch", stored(batch.Read(0, []byte(`{"code":"x","message":"wrong: `+key+`"}`))), "null server: wrong: *"},
		{"a line of a batch", strings.ReplaceAll(string(batch.Mask([]byte(fault))), redact.Mask, "*"), `{"error":{"code":"*","message":"wrong: *"},"choices":"*","output":null,"input":"Bearer *"}`},
		{"no JSON", string(batch.Mask([]byte(key))), redact.Mask},
	} {
		if test.got != test.want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, test.got, test.want)
		}
	}
}

// Before the first answer the counters are there, and zero.
func TestCountersBeginAtZero(t *testing.T) {
	const series = `gpt_requests_total{command="gpt-test",model="gpt-5-mini",status="200"}`
	hold := make(chan struct{})
	s := start(t, standin.Config{Reply: func(string) string { <-hold; return "yes" }})
	c := newClient(t, s)
	c.told()
	c.told = c.tell(time.Hour)
	answered := make(chan error, 1)
	go func() {
		_, err := ask(t, c, "hi")
		answered <- err
	}()
	n, told := 0.0, false
	for deadline := time.Now().Add(time.Minute); !told && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		n, told = c.counters.Take()[series]
	}
	if !told || n != 0 {
		t.Errorf("%v requests are told of: %v", n, told)
	}
	close(hold)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	if n := c.counters.Take()[series]; n != 1 {
		t.Errorf("%v requests", n)
	}
}

// Away from this machine no request is tried without a key.
func TestNoKeyIsStatus4(t *testing.T) {
	u := user{args: []string{"--base-url", "https://llm.invalid/v1", "--no-cache"}}
	u.home(t)
	_, err := u.client(t)
	var e *cli.Error
	if !errors.As(err, &e) || cli.StatusOf(err) != cli.StatusRefused || e.Hint == "" || !strings.Contains(err.Error(), "llm.invalid") {
		t.Errorf("error %v", err)
	}
}

// The system message stands in front of the conversation, and the sample is
// part of the request.
func TestRequest(t *testing.T) {
	s := start(t, standin.Config{})
	c := newClient(t, s, "-s", "Be brief.", "-m", "gpt-x", "--sample", "7", "--temperature", "0.5")
	req, err := c.Request(llm.Message{Role: "user", Content: "a"}, llm.Message{Role: "assistant", Content: "b"}, llm.Message{Role: "user", Content: "c"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"model":"gpt-x","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"c"}],"temperature":0.5}`
	if string(req.Body) != want || req.Model != "gpt-x" || req.Sample != 7 {
		t.Errorf("%+v %s", req, req.Body)
	}
}

func TestFailureStatus(t *testing.T) {
	for _, test := range []struct {
		err  error
		want cli.Status
	}{
		{&llm.Error{Type: llm.Auth, Status: 401}, cli.StatusRefused},
		{&llm.Error{Type: llm.Quota, Status: 429}, cli.StatusStopped},
		{&llm.WaitError{Err: &llm.Error{Type: llm.RateLimit}}, cli.StatusStopped},
		{fmt.Errorf("line 7: %w", &llm.WaitError{Err: &llm.Error{Type: llm.Auth}}), cli.StatusStopped},
		{&llm.Error{Type: llm.Server, Status: 500}, cli.StatusFailed},
		{&llm.Error{Type: llm.Timeout}, cli.StatusFailed},
		{&llm.Error{Type: llm.Schema}, cli.StatusFailed},
		{errors.New("no file left"), cli.StatusFailed},
		{cli.Usagef("no"), cli.StatusUsage},
	} {
		if err := Failure(test.err); cli.StatusOf(err) != test.want || !errors.Is(err, test.err) {
			t.Errorf("%v: status %d, want %d", test.err, cli.StatusOf(err), test.want)
		}
	}
}

// What was checked when it was stored is part of what it is stored as: an
// answer that nobody checked must not come back as JSON that was.
func TestScopeKnowsWhatIsChecked(t *testing.T) {
	dir := t.TempDir()
	a, b := dir+"/a.json", dir+"/b.json"
	write(t, a, `{"type":"object"}`)
	write(t, b, `{"type":"array"}`)
	const format = `response_format={"type":"json_object"}`
	seen := map[string][]string{}
	for _, args := range [][]string{
		{"--option", format},
		{"--option", format, "--json"},
		{"--option", format, "--schema", a},
		{"--option", format, "--schema", b},
		{"--option", format, "--api", "responses"},
		{"--option", format, "--base-url", "http://127.0.0.1:2/v1"},
		{"--option", format, "--organization", "org"},
		{"--option", format, "--project", "org"},
	} {
		f, p, err := user{args: append([]string{"--base-url", "http://127.0.0.1:1/v1"}, args...)}.plan(t)
		if err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("%q", scope(f, p))
		if other := seen[key]; other != nil {
			t.Errorf("%q and %q share their answers", args, other)
		}
		seen[key] = args
	}
}
