package wire

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/test/standin"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/v1"
}

func TestSend(t *testing.T) {
	var got *http.Request
	var body string
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		io.WriteString(w, "done")
	})
	c := newClient(t, base, nil)
	answer, err := c.Send(t.Context(), Call{Method: "POST", Path: "/files?x=1", ContentType: "text/plain", Body: strings.NewReader("abc"), Length: 3})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if b, err := io.ReadAll(answer.Body); err != nil || string(b) != "done" {
		t.Errorf("%q, %v", b, err)
	}
	if got.Method != "POST" || got.RequestURI != "/v1/files?x=1" || body != "abc" || got.ContentLength != 3 ||
		got.Header.Get("Content-Type") != "text/plain" || got.Header.Get("Authorization") != "Bearer "+testKey {
		t.Errorf("%+v", got)
	}
	if c.header.Load().Get("Content-Type") != "application/json" {
		t.Error("the shared header was changed")
	}
	if answer, err = c.Send(t.Context(), Call{Method: "GET", Path: "/batches"}); err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if _, ok := got.Header["Content-Type"]; ok || got.Method != "GET" || body != "" {
		t.Errorf("%+v", got)
	}
}

func TestSendFails(t *testing.T) {
	for script, want := range map[string]llm.Error{
		"401":                      {Type: llm.Auth, Status: 401},
		"insufficient_quota":       {Type: llm.Quota, Status: 429},
		"429,retry-after=7":        {Type: llm.RateLimit, Status: 429, Retry: true, Wait: 7 * time.Second},
		"502":                      {Type: llm.Server, Status: 502, Retry: true},
		"redirect":                 {Type: llm.InvalidRequest, Status: 307},
		"reset":                    {Type: llm.Connection, Retry: true},
		"500,x-should-retry=false": {Type: llm.Server, Status: 500},
	} {
		s := start(t, standin.Config{Faults: standin.MustFaults(script)})
		_, err := newClient(t, s.URL(), nil).Send(t.Context(), Call{Method: "GET", Path: "/batches"})
		e := failure(t, err)
		if e.Type != want.Type || e.Status != want.Status || e.Retry != want.Retry || e.Wait != want.Wait {
			t.Errorf("%s: %+v", script, e)
		}
	}
	c := newClient(t, "http://127.0.0.1:1/v1", nil)
	if _, err := c.Send(stopped(), Call{Method: "GET", Path: "/batches"}); !errors.Is(err, errStopped) {
		t.Errorf("after a soft stop: %v", err)
	}
}

// A body that is cut off fails with an *llm.Error; one that stops moving, in a
// timeout; one that is slow, not at all.
func TestSendBodies(t *testing.T) {
	never := make(chan struct{})
	defer close(never)
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		switch r.URL.Path {
		case "/v1/cut":
			io.WriteString(w, "abc")
		case "/v1/stalled":
			io.WriteString(w, "abc")
			http.NewResponseController(w).Flush()
			select {
			case <-never:
			case <-r.Context().Done():
			}
		case "/v1/slow":
			for i := range 10 {
				if i > 0 {
					time.Sleep(50 * time.Millisecond)
				}
				io.WriteString(w, "x")
				http.NewResponseController(w).Flush()
			}
		}
	})
	c := newClient(t, base, func(o *Options) { o.Timeout = 300 * time.Millisecond })
	for path, want := range map[string]llm.Type{"/cut": llm.Connection, "/stalled": llm.Timeout, "/slow": ""} {
		answer, err := c.Send(t.Context(), Call{Method: "GET", Path: path})
		if err != nil {
			t.Fatal(path, err)
		}
		_, err = io.ReadAll(answer.Body)
		answer.Body.Close()
		if want == "" {
			if err != nil {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		if e := failure(t, err); e.Type != want || !e.Retry {
			t.Errorf("%s: %v", path, e)
		}
	}
}

func TestReadAnswer(t *testing.T) {
	c := newClient(t, "http://127.0.0.1:1/v1", nil)
	resp, err := c.ReadAnswer(200, []byte(`{"model":"m","choices":[{"message":{"content":"hi"},"finish_reason":"length"}]}`))
	if err != nil || resp.Text != "hi" || resp.FinishReason != "length" {
		t.Errorf("%+v, %v", resp, err)
	}
	_, err = c.ReadAnswer(429, []byte(`{"error":{"message":"m","code":"insufficient_quota"}}`))
	if e := failure(t, err); e.Type != llm.Quota || e.Status != 429 {
		t.Errorf("%v", e)
	}
	if _, err = c.ReadAnswer(200, nil); failure(t, err).Type != llm.BadResponse {
		t.Errorf("%v", err)
	}
}
