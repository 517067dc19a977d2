package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
)

func TestParseInput(t *testing.T) {
	// As https://platform.openai.com/docs/guides/batch shows it.
	line := `{"custom_id": "request-1", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello world!"}],"max_tokens": 1000}}`
	in, err := ParseInput([]byte(line))
	want := Input{"request-1", "POST", "/v1/chat/completions", []byte(`{"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello world!"}],"max_tokens": 1000}`)}
	if err != nil || !reflect.DeepEqual(in, want) {
		t.Errorf("%+v, %v", in, err)
	}
	for _, bad := range []string{
		``, `[]`, `{}`, `{"custom_id":1,"method":"POST","url":"/","body":{}}`, `{"custom_id":"a","method":"POST","url":"/"}`,
		`{"custom_id":"a","method":"POST","url":"/","body":"{}"}`, `{"custom_id":"a","method":"POST","body":{}}`,
	} {
		if in, err := ParseInput([]byte(bad)); err == nil {
			t.Errorf("%s was read as %+v", bad, in)
		}
	}
}

func TestALineIsOneLine(t *testing.T) {
	for body, want := range map[string]string{
		"{\n \"a\": 1.0,\r\n \"b\": \"\\n\"}": `{"a":1.0,"b":"\n"}`,
		`{"a": 1}`:                            `{"a": 1}`,
		"{\n\"a\r\n":                          `{ "a`,
	} {
		line := AppendInput(nil, Input{Body: []byte(body)})
		if got := string(line); got != `{"custom_id":"","method":"","url":"","body":`+want+"}\n" {
			t.Errorf("%q became %s", body, got)
		}
	}
}

func TestParseOutput(t *testing.T) {
	line := `{"id": "batch_req_wnaDys", "custom_id": "request-2", "response": {"status_code": 200, "request_id": "req_c187b3", "body": {"id": "chatcmpl-9758Iw"}}, "error": null}`
	out, err := ParseOutput([]byte(line))
	if err != nil || !reflect.DeepEqual(out, Output{CustomID: "request-2", Status: 200, RequestID: "req_c187b3", Body: []byte(`{"id": "chatcmpl-9758Iw"}`)}) {
		t.Errorf("%+v, %v", out, err)
	}
	line = `{"id": "batch_req_123", "custom_id": "request-3", "response": null, "error": {"code": "batch_expired", "message": "This request could not be executed before the completion window expired."}}`
	out, err = ParseOutput([]byte(line))
	if err != nil || out.Status != 0 || !strings.Contains(string(out.Error), "batch_expired") {
		t.Errorf("%+v, %v", out, err)
	}
	for _, bad := range []string{
		``, `{}`, `{"custom_id":"a"}`, `{"custom_id":"a","response":null,"error":null}`, `{"custom_id":"a","response":[]}`,
		`{"custom_id":"a","response":{"body":{}}}`, `{"custom_id":"a","response":{"status_code":"200"}}`, `{"custom_id":"a","response":{"status_code":1e2}}`,
	} {
		if out, err := ParseOutput([]byte(bad)); err == nil {
			t.Errorf("%s was read as %+v", bad, out)
		}
	}
}

// A line that has no custom_id is told by its number, and as much of a broken one
// is read as there is.
func TestLinesWithoutID(t *testing.T) {
	for line, want := range map[string]string{
		`{"custom_id":"a","method":"POST"}`: "a",
		`{"method":"POST","custom_id":"a"}`: "a",
		`{"custom_id":7}`:                   "",
		`{}`:                                "",
	} {
		if in, err := ParseInput([]byte(line)); err == nil || in.CustomID != want {
			t.Errorf("%s: %q, %v", line, in.CustomID, err)
		}
	}
	one, two := AppendOutput(nil, Output{Line: 1, Error: []byte(`{}`)}), AppendOutput(nil, Output{Line: 2, Error: []byte(`{}`)})
	var a, b struct {
		ID       string  `json:"id"`
		CustomID *string `json:"custom_id"`
	}
	if err := errors.Join(json.Unmarshal(one, &a), json.Unmarshal(two, &b)); err != nil {
		t.Fatal(err)
	}
	if a.CustomID != nil || b.CustomID != nil || a.ID == b.ID {
		t.Errorf("%s%s", one, two)
	}
}

func TestLiveFailures(t *testing.T) {
	client := newClient(t, "http://127.0.0.1:1/v1")
	for _, e := range []*llm.Error{
		{Type: llm.RateLimit, Code: "rate_limit_exceeded", Status: 429, Message: "slow", Retry: true},
		{Type: llm.InvalidRequest, Code: "invalid_value", Status: 400, Message: "no"},
	} {
		out, err := ParseOutput(AppendOutput(nil, Failed("id", e)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.ReadAnswer(out.Status, out.Body)
		if got := failure(t, err); got.Type != e.Type || got.Code != e.Code || got.Status != e.Status || got.Message != e.Message {
			t.Errorf("%+v", got)
		}
	}
	out, err := ParseOutput(AppendOutput(nil, Failed("id", &llm.Error{Type: llm.Connection, Message: "gone"})))
	if err != nil || out.Status != 0 || string(out.Error) != `{"code":"connection","message":"gone"}` {
		t.Errorf("%+v, %v", out, err)
	}
}

func TestErrorsWithoutStatus(t *testing.T) {
	for object, want := range map[string]llm.Error{
		`{"code":"batch_cancelled","message":"m"}`:     {Type: llm.Server, Retry: true},
		`{"code":"rate_limit_exceeded","message":"m"}`: {Type: llm.RateLimit, Retry: true},
		`{"code":"invalid_value","message":"m"}`:       {Type: llm.InvalidRequest},
		`{"code":"insufficient_quota","message":"m"}`:  {Type: llm.Quota},
		`{"code":"model_not_found","message":"m"}`:     {Type: llm.Auth},
	} {
		e := wire.ReadError([]byte(object))
		if e.Type != want.Type || e.Retry != want.Retry || e.Status != 0 || e.Message != "m" {
			t.Errorf("%s: %+v", object, e)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte(`{"custom_id":"a","method":"POST","url":"/v1/responses","body":{"model":"m"}}`))
	f.Add([]byte(`{"id":"b","custom_id":"a","response":{"status_code":200,"request_id":"r","body":{}},"error":null}`))
	f.Add([]byte(`{"custom_id":"\ud83d\ude00","response":null,"error":{"code":"batch_expired","message":"m"}}`))
	client := newClient(f, "http://127.0.0.1:1/v1")
	r := &run{job: &Job{Read: client.ReadAnswer}}
	f.Fuzz(func(t *testing.T, line []byte) {
		line = bytes.TrimRight(line, "\r\n")
		if in, err := ParseInput(line); err == nil {
			text := AppendInput(nil, in)
			if bytes.IndexByte(text, '\n') != len(text)-1 {
				t.Fatalf("not one line: %q", text)
			}
			again, err := ParseInput(bytes.TrimSpace(text))
			if in.Body = oneLine(in.Body); err != nil || !reflect.DeepEqual(in, again) {
				t.Fatalf("%+v became %+v, %v", in, again, err)
			}
		}
		out, err := ParseOutput(line)
		if err != nil {
			return
		}
		text := AppendOutput(nil, out)
		if bytes.IndexByte(text, '\n') != len(text)-1 || !json.Valid(text) {
			t.Fatalf("not one line of JSON: %q", text)
		}
		again, err := ParseOutput(bytes.TrimSpace(text))
		if err != nil || again.CustomID != out.CustomID || again.Status != out.Status {
			t.Fatalf("%+v became %+v, %v", out, again, err)
		}
		resp, e, err := r.read(out)
		if err != nil || resp == nil && e == nil {
			t.Fatalf("%q: neither an answer nor an error: %v", line, err)
		}
		if out.Status/100 != 2 && out.Status != 0 && e == nil {
			t.Fatalf("status %d is an answer", out.Status)
		}
	})
}
