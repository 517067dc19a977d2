package llm

import (
	"errors"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	for _, test := range []struct {
		name, usage   string
		input, output int
	}{
		{"chat completions", `{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":1}}`, 3, 4},
		{"responses", `{"input_tokens":3,"output_tokens":4,"total_tokens":7}`, 3, 4},
		{"both, from a gateway", `{"prompt_tokens":3,"completion_tokens":4,"input_tokens":3,"output_tokens":4}`, 3, 4},
		{"one side", `{"prompt_tokens":3}`, 3, 0},
		{"spread out", "{\n  \"prompt_tokens\" : 13,\n  \"completion_tokens\": \t7}", 13, 7},
		{"null for one", `{"prompt_tokens":null,"completion_tokens":7}`, 0, 7},
		{"negative", `{"prompt_tokens":-3,"completion_tokens":-7}`, 0, 0},
		{"null", `null`, 0, 0},
		{"nothing", ``, 0, 0},
		{"garbage", `{"prompt_tokens":"three"}`, 0, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := Response{Usage: []byte(test.usage)}
			if input, output := r.Tokens(); input != test.input || output != test.output {
				t.Errorf("%d and %d, want %d and %d", input, output, test.input, test.output)
			}
		})
	}
}

// What the server calls a success and is none.
func TestResponseErr(t *testing.T) {
	for _, test := range []struct {
		resp Response
		want Type // "": an answer
	}{
		{Response{Text: "hi", FinishReason: "stop"}, ""},
		{Response{Text: "hi"}, ""},
		{Response{FinishReason: "stop"}, ""},
		{Response{Text: "hi", FinishReason: "length"}, Length},
		{Response{Text: "hi", FinishReason: "content_filter"}, ContentFilter},
		{Response{FinishReason: "stop", Refusal: "No."}, Refusal},
		{Response{FinishReason: "length", Refusal: "No, bec"}, Length},
	} {
		var got Type
		var e *Error
		if errors.As(test.resp.Err(), &e) {
			got = e.Type
		}
		if got != test.want || e != nil && (e.Retry || e.Final() || e.Message == "") {
			t.Errorf("%+v: %v, want %q", test.resp, e, test.want)
		}
	}
}

func TestErrors(t *testing.T) {
	cause := errors.New("cause")
	e := &Error{Type: Server, Status: 500, Message: "boom", Err: cause}
	if e.Error() != "server (500): boom" || !errors.Is(e, cause) || e.Final() {
		t.Errorf("%v", e)
	}
	if text := (&Error{Type: Timeout, Message: "late"}).Error(); text != "timeout: late" {
		t.Errorf("%q", text)
	}
	for _, typ := range []Type{Auth, Quota} {
		if !(&Error{Type: typ}).Final() {
			t.Errorf("%s is not final", typ)
		}
	}
	w := &WaitError{Wait: 90 * time.Minute, Max: 10 * time.Minute, Err: e}
	const want = "the server asks to wait 1h30m0s, longer than --max-wait 10m0s: server (500): boom"
	if w.Error() != want || !errors.Is(w, cause) {
		t.Errorf("%v", w)
	}
}
