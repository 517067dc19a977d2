package wire

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gptpipe/pkg/llm"
)

// A request that names a path is answered with all that the server said, and
// fails as any other does.
func TestEntireAnswers(t *testing.T) {
	for _, test := range []struct {
		name, path, body string
		status           int
		fails            llm.Type // "": it does not
		again            bool
	}{
		{name: "several choices", path: "/chat/completions", body: `{"model":"m","choices":[{"message":{"content":"a"}},{"message":{"content":"b"}}],"usage":{"total_tokens":3},"x":1.0}`},
		{name: "a tool call", path: "/chat/completions", body: `{"model":"m","choices":[{"message":{"content":null,"tool_calls":[{"id":"t"}]},"finish_reason":"tool_calls"}],"usage":{"total_tokens":3}}`},
		{name: "cut at the limit", path: "/chat/completions", body: `{"model":"m","choices":[{"message":{"content":"a"},"finish_reason":"length"}],"usage":{"total_tokens":3}}`},
		{name: "a response", path: "/responses", body: `{"model":"m","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}],"usage":{"total_tokens":3}}`},
		{name: "embeddings", path: "/embeddings", body: `{"model":"m","data":[{"index":0,"embedding":[0.1,-0.2]}],"usage":{"total_tokens":3}}`},
		{name: "a moderation", path: "/moderations", body: `{"model":"m","results":[{"flagged":true}],"usage":{"total_tokens":3}}`},
		{name: "a call of a function", path: "/chat/completions", body: `{"model":"m","choices":[{"message":{"content":null,"function_call":{"name":"f"}}}],"usage":{"total_tokens":3}}`},
		{name: "audio", path: "/chat/completions", body: `{"model":"m","choices":[{"message":{"content":null,"audio":{"id":"a"}}}],"usage":{"total_tokens":3}}`},
		{name: "a thought", path: "/chat/completions", body: `{"model":"m","choices":[{"message":{"content":null,"reasoning_content":"hm"}}],"usage":{"total_tokens":3}}`},
		{name: "no choices", path: "/chat/completions", body: `{"model":"m","choices":[],"error":null,"usage":{"total_tokens":3}}`},
		{name: "a request for approval", path: "/responses", body: `{"model":"m","status":"completed","output":[{"type":"mcp_approval_request"}],"usage":{"total_tokens":3}}`},
		{name: "in the background", path: "/responses", body: `{"model":"m","status":"queued","output":[],"usage":{"total_tokens":3}}`},
		{name: "no UTF-8", path: "/chat/completions", body: `{"model":"m","choices":[{"message":{"content":"caf` + "\xc3" + `"}}],"usage":{"total_tokens":3}}`},
		{name: "null", path: "/chat/completions", body: `null`, fails: llm.BadResponse, again: true},
		{name: "a list", path: "/chat/completions", body: `[{"model":"m"}]`, fails: llm.BadResponse, again: true},
		{name: "nothing", path: "/embeddings", body: ``, fails: llm.BadResponse, again: true},
		{name: "half of it", path: "/moderations", body: `{"model":"m","results`, fails: llm.BadResponse, again: true},
		{name: "an error with status 200", path: "/completions", body: `{"error":{"message":"no","code":"invalid_value"}}`, fails: llm.InvalidRequest},
		{name: "refused", path: "/completions", status: 404, body: `{"error":{"message":"Invalid URL"}}`, fails: llm.InvalidRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1"+test.path {
					t.Errorf("path %s", r.URL.Path)
				}
				w.Header().Set("X-Request-Id", "req_1")
				w.WriteHeader(max(test.status, 200))
				w.Write([]byte(test.body))
			}))
			defer s.Close()
			c := newClient(t, s.URL+"/v1", nil)
			resp, err := c.Complete(t.Context(), &llm.Request{Model: "m", Body: []byte(`{}`), Path: test.path})
			if test.fails == "" {
				if err != nil || string(resp.Body) != strings.ToValidUTF8(test.body, "\ufffd") || resp.Model != "m" || resp.RequestID != "req_1" || !strings.Contains(string(resp.Usage), "3") || resp.Err() != nil {
					t.Errorf("%+v, %v", resp, err)
				}
				return
			}
			if e := failure(t, err); e.Type != test.fails || e.Retry != test.again {
				t.Errorf("%+v", e)
			}
		})
	}
	for path, want := range map[string]bool{"/chat/completions": true, "/files": false, "/score": false, "": false, "/chat/completions/../../files": false} {
		if Takes(path) != want {
			t.Errorf("%q: %t", path, !want)
		}
	}
}
