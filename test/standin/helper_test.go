package standin

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func start(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// chat is a request body with a prompt.
func chat(prompt string) string {
	return `{"model":"gpt-test","messages":[{"role":"user","content":` + string(encode(prompt, "")) + `}]}`
}

func streamed(body string) string { return strings.TrimSuffix(body, "}") + `,"stream":true}` }

type got struct {
	status int
	header http.Header
	body   string
	err    error // of the request, or of reading the body
}

// post sends a request over a connection of its own, so that a broken one is not tried again behind our back.
func post(t *testing.T, s *Server, path, body string) got {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	return send(req)
}

func send(req *http.Request) got {
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return got{err: err}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return got{resp.StatusCode, resp.Header, string(b), err}
}

func contains(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s lacks %q:\n%s", what, part, text)
		}
	}
}

func lacks(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if strings.Contains(text, part) {
			t.Errorf("%s has %q:\n%s", what, part, text)
		}
	}
}
