package standin

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// faulty gets one answer with a fault, streaming or not, and the server that gave it.
func faulty(t *testing.T, fault string, stream bool) (got, *Server) {
	t.Helper()
	s := start(t, Config{Faults: MustFaults(fault)})
	body := chat("echo one two three four")
	if stream {
		body = streamed(body)
	}
	return post(t, s, "/chat/completions", body), s
}

func TestStatusFaults(t *testing.T) {
	for _, test := range []struct {
		fault  string
		status int
		parts  []string
	}{
		{"500", 500, []string{`"type": "server_error"`}},
		{"400", 400, []string{`"type": "invalid_request_error"`}},
		{"401", 401, []string{`"code": "invalid_api_key"`}},
		{"403", 403, []string{`"type": "request_forbidden"`}},
		{"404", 404, []string{`"code": "model_not_found"`}},
		{"408", 408, []string{`"error"`}},
		{"409", 409, []string{`"code": "conflict"`}},
		{"418", 418, []string{`"message": "I'm a teapot"`}},
		{"429", 429, []string{`"code": "rate_limit_exceeded"`}},
		{"slow_down", 429, []string{`"code": "slow_down"`}},
		{"insufficient_quota", 429, []string{`"code": "insufficient_quota"`}},
		{"429,code=project_spend_limit_exceeded", 429, []string{`"code": "project_spend_limit_exceeded"`, `"type": "insufficient_quota"`}},
		{"502", 502, []string{"<html>", "502 Bad Gateway"}},
		{"503", 503, []string{`"code": "server_is_overloaded"`}},
		{"server_is_overloaded", 503, []string{`"code": "server_is_overloaded"`}},
		{"529", 529, []string{`"type": "server_error"`}},
	} {
		g, s := faulty(t, test.fault, false)
		if g.status != test.status || g.err != nil {
			t.Errorf("%s: status %d, error %v", test.fault, g.status, g.err)
		}
		contains(t, test.fault, g.body, test.parts...)
		if html := strings.HasPrefix(g.body, "<"); html == json.Valid([]byte(g.body)) || html != strings.HasPrefix(g.header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: type %s of %s", test.fault, g.header.Get("Content-Type"), g.body)
		}
		q := s.Requests()[0]
		if q.Status != test.status || q.Fault != test.fault || q.Paid {
			t.Errorf("%s: recorded as %+v", test.fault, q)
		}
	}
}

// Every form in which a server may ask for a wait must go over the wire as it is written.
func TestWaits(t *testing.T) {
	for fault, want := range map[string]http.Header{
		"429,retry-after-ms=250":                {"Retry-After-Ms": {"250"}},
		"429,retry-after=1":                     {"Retry-After": {"1"}},
		"429,retry-after=-1":                    {"Retry-After": {"-1"}},
		"429,retry-after=soon":                  {"Retry-After": {"soon"}},
		"429,x-ratelimit-reset-requests=12ms":   {"X-Ratelimit-Reset-Requests": {"12ms"}},
		"429,x-ratelimit-reset-requests=6m0s":   {"X-Ratelimit-Reset-Requests": {"6m0s"}},
		"500,x-should-retry=false":              {"X-Should-Retry": {"false"}},
		"400,x-should-retry=true,retry-after=2": {"X-Should-Retry": {"true"}, "Retry-After": {"2"}},
		"429":                                   {},
	} {
		g, _ := faulty(t, fault, false)
		for _, name := range []string{"Retry-After", "Retry-After-Ms", "X-Should-Retry", "X-Ratelimit-Reset-Requests"} {
			if g.header.Get(name) != want.Get(name) {
				t.Errorf("%s: %s is %q, want %q", fault, name, g.header.Get(name), want.Get(name))
			}
		}
	}
	g, _ := faulty(t, "429,retry-after-date=1h", false)
	at, err := http.ParseTime(g.header.Get("Retry-After"))
	if ahead := time.Until(at); err != nil || ahead < 59*time.Minute || ahead > time.Hour+2*time.Second {
		t.Errorf("Retry-After %q is %v ahead, error %v", g.header.Get("Retry-After"), ahead, err)
	}
}

func TestReset(t *testing.T) {
	g, s := faulty(t, "reset", false)
	if !errors.Is(g.err, syscall.ECONNRESET) {
		t.Errorf("error %v, want a reset", g.err)
	}
	if q := s.Requests()[0]; q.Status != 0 || q.Paid {
		t.Errorf("recorded as %+v", q)
	}
}

func TestCutBody(t *testing.T) {
	for _, stream := range []bool{false, true} {
		g, s := faulty(t, "cut-body", stream)
		if g.status != 200 || !errors.Is(g.err, io.ErrUnexpectedEOF) || g.body == "" {
			t.Errorf("stream %t: status %d, error %v, body %q", stream, g.status, g.err, g.body)
		}
		lacks(t, "cut body", g.body, "[DONE]", `"finish_reason":"stop"`)
		if json.Valid([]byte(g.body)) {
			t.Errorf("stream %t: the cut body is whole JSON", stream)
		}
		if s.Paid() != 0 || s.Counts().OK != 1 {
			t.Errorf("stream %t: %+v", stream, s.Counts())
		}
	}
	if g, _ := faulty(t, "cut-body=10", false); len(g.body) != 10 {
		t.Errorf("%d bytes before the cut, want 10", len(g.body))
	}
}

func TestCutStream(t *testing.T) {
	for fault, pieces := range map[string]int{"cut-stream": 2, "cut-stream=0": 0, "cut-stream=3": 3, "cut-stream=99": 4} {
		g, s := faulty(t, fault, true)
		if g.err != nil || g.status != 200 {
			t.Errorf("%s: status %d, error %v: a cut stream ends properly", fault, g.status, g.err)
		}
		if n := strings.Count(g.body, `"delta":{"content":"`); n != pieces {
			t.Errorf("%s: %d pieces of text, want %d", fault, n, pieces)
		}
		lacks(t, fault, g.body, "[DONE]", `"finish_reason":"stop"`)
		if s.Paid() != 0 {
			t.Errorf("%s: paid for", fault)
		}
	}
	if g, _ := faulty(t, "cut-stream", false); !errors.Is(g.err, io.ErrUnexpectedEOF) {
		t.Errorf("no stream: error %v", g.err)
	}
}

func TestErrorInStream(t *testing.T) {
	g, _ := faulty(t, "error-in-stream=1", true)
	contains(t, "stream", g.body, `"content":"one "`, "data: {\"error\":{\"message\":\"The server had an error")
	lacks(t, "stream", g.body, "two", "[DONE]")
	g, _ = faulty(t, "error-in-stream", false)
	if g.status != 200 {
		t.Errorf("status %d", g.status)
	}
	contains(t, "body", g.body, `"error": {`)
}

func TestSpoiltBodies(t *testing.T) {
	for _, stream := range []bool{false, true} {
		good, _ := faulty(t, "ok", stream)
		for fault, check := range map[string]func(g got) bool{
			"bad-json":         func(g got) bool { return !allJSON(g.body, stream) && g.body != "" },
			"empty-body":       func(g got) bool { return g.body == "" && (stream || g.header.Get("Content-Length") == "0") },
			"empty-choices":    func(g got) bool { return allJSON(g.body, stream) && !strings.Contains(g.body, `"index"`) },
			"null-content":     func(g got) bool { return allJSON(g.body, stream) && !strings.Contains(g.body, "one") },
			"wrong-type":       func(g got) bool { return strings.HasPrefix(g.header.Get("Content-Type"), "text/html") },
			"bom":              func(g got) bool { return strings.HasPrefix(g.body, "\ufeff") },
			"trailing-garbage": func(g got) bool { return strings.HasSuffix(g.body, "-->\n") && !allJSON(g.body, false) },
			"gzip":             func(g got) bool { return timeless(gunzip(t, g)) == timeless(good.body) },
			"drip=1us":         func(g got) bool { return timeless(g.body) == timeless(good.body) },
			"slow=1ms":         func(g got) bool { return timeless(g.body) == timeless(good.body) },
			"ok,content-type=text/plain": func(g got) bool {
				return g.header.Get("Content-Type") == "text/plain" && timeless(g.body) == timeless(good.body)
			},
		} {
			g, s := faulty(t, fault, stream)
			if g.status != 200 || g.err != nil {
				t.Errorf("%s, stream %t: status %d, error %v", fault, stream, g.status, g.err)
			}
			if !check(g) {
				t.Errorf("%s, stream %t: header %v, body %s", fault, stream, g.header, g.body)
			}
			paid := 0
			switch fault {
			case "wrong-type", "drip=1us", "slow=1ms", "ok,content-type=text/plain":
				paid = 1
			case "bom", "trailing-garbage": // readers of events do not mind
				if stream {
					paid = 1
				}
			}
			if s.Paid() != paid {
				t.Errorf("%s, stream %t: paid %d, want %d", fault, stream, s.Paid(), paid)
			}
		}
	}
}

// allJSON reports whether the body, or the data of each event but [DONE], is JSON.
func allJSON(body string, stream bool) bool {
	if !stream {
		return json.Valid([]byte(body))
	}
	for event := range strings.SplitSeq(strings.TrimSpace(body), "\n\n") {
		data := strings.TrimPrefix(event, "data: ")
		if data != "[DONE]" && !json.Valid([]byte(data)) {
			return false
		}
	}
	return true
}

func gunzip(t *testing.T, g got) string {
	t.Helper()
	if g.header.Get("Content-Encoding") != "gzip" {
		t.Errorf("Content-Encoding %q", g.header.Get("Content-Encoding"))
	}
	z, err := gzip.NewReader(strings.NewReader(g.body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestHang(t *testing.T) {
	s := start(t, Config{Faults: MustFaults("hang"), HangFor: time.Millisecond})
	if g := post(t, s, "/chat/completions", chat("x")); !errors.Is(g.err, io.EOF) {
		t.Errorf("got %+v, want the connection to end", g)
	}
	// Close must end a hang that would go on.
	arrived := make(chan struct{})
	hang, _ := ParseFault("hang")
	s = start(t, Config{HangFor: time.Hour, Faults: func(Call) Fault {
		close(arrived)
		return hang
	}})
	done := make(chan got)
	go func() { done <- post(t, s, "/chat/completions", chat("x")) }()
	<-arrived
	s.Close()
	if g := <-done; g.err == nil {
		t.Errorf("got %+v", g)
	}
}

func TestHuge(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := start(t, Config{Faults: MustFaults("huge")})
		body := chat("x")
		if stream {
			body = streamed(body)
		}
		req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL()+"/chat/completions", strings.NewReader(body))
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 32<<20)
		if _, err := io.ReadFull(resp.Body, b); err != nil || bytes.IndexByte(b, '\n') >= 0 {
			t.Errorf("stream %t: error %v within 32 MiB, or a line end", stream, err)
		}
		resp.Body.Close()
		if bytes.HasPrefix(b, []byte("data: ")) != stream {
			t.Errorf("stream %t: begins with %q", stream, b[:20])
		}
	}
}

func TestRedirect(t *testing.T) {
	g, s := faulty(t, "redirect", false)
	want := strings.Replace(s.URL(), "127.0.0.1", "localhost", 1) + "/chat/completions"
	if g.status != 307 || g.header.Get("Location") != want {
		t.Errorf("status %d to %q, want %q", g.status, g.header.Get("Location"), want)
	}
}

func TestAnswerFaults(t *testing.T) {
	format := `,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"n":{"type":"integer"},"l":{"type":"array","items":{"type":"string"}}}}}}}`
	for fault, want := range map[string]string{
		"ok":              `"content": "{\"l\":[`,
		"schema-mismatch": `"content": "{\"l\":\"wrong\",\"n\":[null],\"unexpected\":true}"`,
		"not-json-answer": `"content": "Sure! Here is`,
		"length":          `"finish_reason": "length"`,
		"content-filter":  `"finish_reason": "content_filter"`,
		"refusal":         `"refusal": "I'm sorry`,
		"null-content":    `"content": null`,
		"empty-choices":   `"choices": []`,
	} {
		s := start(t, Config{Faults: MustFaults(fault)})
		g := post(t, s, "/chat/completions", strings.TrimSuffix(chat("sum up"), "}")+format)
		contains(t, fault, g.body, want)
		if g.status != 200 {
			t.Errorf("%s: status %d", fault, g.status)
		}
	}
}

// A fault that spoils answers must leave refusals alone: what is wrong with the request is to be seen.
func TestFaultOnWrongRequest(t *testing.T) {
	s := start(t, Config{Faults: MustFaults("cut-body")})
	if g := post(t, s, "/chat/completions", `{}`); g.status != 400 || g.err != nil || !json.Valid([]byte(g.body)) {
		t.Errorf("got %+v", g)
	}
}
