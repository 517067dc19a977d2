package standin

import (
	"net/http"
	"strings"
	"testing"
)

func TestRefusals(t *testing.T) {
	s := start(t, Config{Models: []string{"m", "gpt-5"}})
	hi := `"messages":[{"role":"user","content":"hi"}]`
	for _, test := range []struct {
		path, body string
		status     int
		parts      []string
	}{
		{"/chat/completions", `not JSON`, 400, []string{"could not parse the JSON body"}},
		{"/chat/completions", `null`, 400, []string{"could not parse the JSON body"}},
		{"/chat/completions", `{` + hi + `}`, 400, []string{"you must provide a model parameter"}},
		{"/chat/completions", `{"model":"m"}`, 400, []string{`"param": "messages"`, `"code": "missing_required_parameter"`}},
		{"/chat/completions", `{"model":"m","messages":[]}`, 400, []string{`"code": "empty_array"`}},
		{"/chat/completions", `{"model":"m","messages":[{"role":"wizard","content":"hi"}]}`, 400, []string{`"param": "messages[0].role"`}},
		{"/chat/completions", `{"model":"m","messages":[{"role":"user","content":null}]}`, 400, []string{"got null"}},
		{"/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"input_text","text":"hi"}]}]}`, 400, []string{"Invalid value: 'input_text'"}},
		{"/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":"data:image/png;base64,"}]}]}`, 400, []string{"expected an object"}},
		{"/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"cat.png"}}]}]}`, 400, []string{"valid URL"}},
		{"/chat/completions", `{"model":"nope",` + hi + `}`, 404, []string{`"code": "model_not_found"`, "`nope` does not exist"}},
		{"/chat/completions", `{"model":"m","max_tokens":1,"max_completion_tokens":1,` + hi + `}`, 400, []string{`"code": "invalid_parameter_combination"`}},
		{"/chat/completions", `{"model":"gpt-5","max_tokens":1,` + hi + `}`, 400, []string{`"code": "unsupported_parameter"`}},
		{"/chat/completions", `{"model":"m","max_completion_tokens":0,` + hi + `}`, 400, []string{`"code": "integer_below_min_value"`}},
		{"/chat/completions", `{"model":"m","temperature":3,` + hi + `}`, 400, []string{`"code": "decimal_above_max_value"`}},
		{"/chat/completions", `{"model":"m","temperature":"hot",` + hi + `}`, 400, []string{`"param": "temperature"`, `"code": "invalid_type"`}},
		{"/chat/completions", `{"model":"m","top_k":3,` + hi + `}`, 400, []string{"Unrecognized request argument supplied: top_k"}},
		{"/chat/completions", `{"model":"m","stream_options":{"include_usage":true},` + hi + `}`, 400, []string{`"param": "stream_options"`}},
		{"/chat/completions", `{"model":"m","response_format":{"type":"json_object"},` + hi + `}`, 400, []string{"must contain the word 'json' in some form"}},
		{"/chat/completions", `{"model":"m","response_format":{"type":"yaml"},` + hi + `}`, 400, []string{"'yaml'"}},
		{"/chat/completions", `{"model":"m","response_format":{"type":"json_schema"},` + hi + `}`, 400, []string{"response_format.json_schema"}},
		{"/chat/completions", `{"model":"m","response_format":{"type":"json_schema","json_schema":{"schema":{}}},` + hi + `}`, 400, []string{"response_format.json_schema.name"}},
		{"/chat/completions", `{"model":"m","response_format":{"type":"json_schema","json_schema":{"name":"a b","schema":{}}},` + hi + `}`, 400, []string{"does not match pattern"}},
		{"/chat/completions", `{"model":"m","response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":{"type":"array"}}},` + hi + `}`, 400, []string{"got 'type: \\\"array\\\"'"}},
		{"/chat/completions", `{"model":"m","response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":{"type":"object"}}},` + hi + `}`, 400, []string{"'additionalProperties' is required"}},
		{"/chat/completions", `{"model":"m","response_format":{"type":"json_schema","json_schema":{"name":"a","strict":true,"schema":{"type":"object","additionalProperties":false,"properties":{"x":{"type":"string"}}}}},` + hi + `}`, 400, []string{"Missing 'x'"}},
		{"/responses", `{"input":"hi"}`, 400, []string{`"param": "model"`}},
		{"/responses", `{"model":"m"}`, 400, []string{`"param": "input"`}},
		{"/responses", `{"model":"m","input":7}`, 400, []string{`"code": "invalid_type"`}},
		{"/responses", `{"model":"m","input":"hi","messages":[]}`, 400, []string{"Unknown parameter: 'messages'", `"code": "unknown_parameter"`}},
		{"/responses", `{"model":"m","input":"hi","stream":true,"stream_options":{"include_usage":true}}`, 400, []string{"stream_options.include_usage"}},
		{"/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}`, 400, []string{`"param": "input[0].content[0].type"`}},
		{"/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":{"url":"https://x/y.png"}}]}]}`, 400, []string{"got an object"}},
		{"/responses", `{"model":"m","input":"hi","max_output_tokens":15}`, 400, []string{"Expected a value >= 16"}},
		{"/responses", `{"model":"m","input":"hi","instructions":"JSON","text":{"format":{"type":"json_object"}}}`, 400, []string{"Response input messages must contain the word 'json'"}},
		{"/completions", `{}`, 404, []string{"Invalid URL (POST /v1/completions)"}},
	} {
		g := post(t, s, test.path, test.body)
		if g.status != test.status {
			t.Errorf("%s %s: status %d, want %d", test.path, test.body, g.status, test.status)
		}
		contains(t, test.path+" "+test.body, g.body, test.parts...)
	}
	if s.Paid() != 0 {
		t.Errorf("%d refusals were paid for", s.Paid())
	}
}

func TestContentType(t *testing.T) {
	s := start(t, Config{})
	req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL()+"/chat/completions", strings.NewReader(chat("hi")))
	req.Header.Set("Content-Type", "text/plain")
	g := send(req)
	if g.status != 400 {
		t.Errorf("status %d", g.status)
	}
	contains(t, "error", g.body, `"code": "unsupported_content_type"`)
}

func TestKey(t *testing.T) {
	s := start(t, Config{Key: "sk-right-0123456789abcdef"})
	req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL()+"/chat/completions", strings.NewReader(chat("hi")))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Api-Key", "sk-right-0123456789abcdef")
	if g := send(req); g.status != 200 {
		t.Errorf("api-key: status %d", g.status)
	}
	for key, want := range map[string]int{"": 401, "sk-wrong-0123456789abcdef": 401, "sk-right-0123456789abcdef": 200} {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", s.URL()+"/chat/completions", strings.NewReader(chat("hi")))
		req.Header.Set("Content-Type", "application/json")
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		g := send(req)
		if g.status != want {
			t.Errorf("key %q: status %d, want %d", key, g.status, want)
		}
		if want == 401 {
			contains(t, "error", g.body, `"code": "invalid_api_key"`)
			lacks(t, "error", g.body, "sk-wrong-0123456789abcdef")
		}
	}
}

func TestParts(t *testing.T) {
	s := start(t, Config{})
	for path, body := range map[string]string{
		"/chat/completions": `{"model":"m","messages":[{"role":"developer","content":"be brief"},{"role":"assistant","content":null},{"role":"user","content":[{"type":"text","text":"echo a"},{"type":"image_url","image_url":{"url":"data:image/png;base64,"}},{"type":"text","text":"b"}]}]}`,
		"/responses":        `{"model":"m","input":[{"role":"user","content":[{"type":"input_text","text":"echo a"},{"type":"input_image","image_url":"data:image/png;base64,"},{"type":"input_text","text":"b"}]}]}`,
	} {
		g := post(t, s, path, body)
		contains(t, path, g.body, `"ab"`)
	}
}

func TestLimitedAnswer(t *testing.T) {
	s := start(t, Config{})
	g := post(t, s, "/chat/completions", strings.TrimSuffix(chat("echo 0123456789"), "}")+`,"max_completion_tokens":2}`)
	contains(t, "answer", g.body, `"content": "01234567"`, `"finish_reason": "length"`)
}
