package standin

import (
	"regexp"
	"strings"
	"testing"
)

// The bodies are those of the API reference, field by field and in this order.
func TestChatBody(t *testing.T) {
	s := start(t, Config{})
	g := post(t, s, "/chat/completions", chat(`echo <"quoted">`))
	want := `{
  "id": "chatcmpl-000000000000000000000001",
  "object": "chat.completion",
  "created": TIME,
  "model": "gpt-test",
  "choices": [
    {
      "index": 0,
      "message": {
        "role": "assistant",
        "content": "<\"quoted\">",
        "refusal": null,
        "annotations": []
      },
      "logprobs": null,
      "finish_reason": "stop"
    }
  ],
  "usage": {
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "total_tokens": 5,
    "prompt_tokens_details": {
      "cached_tokens": 0,
      "audio_tokens": 0
    },
    "completion_tokens_details": {
      "reasoning_tokens": 0,
      "audio_tokens": 0,
      "accepted_prediction_tokens": 0,
      "rejected_prediction_tokens": 0
    }
  },
  "service_tier": "default",
  "system_fingerprint": null
}
`
	if body := timeless(g.body); body != want {
		t.Errorf("got %s", body)
	}
	if g.header.Get("Content-Type") != "application/json" || !strings.HasPrefix(g.header.Get("X-Request-Id"), "req_") {
		t.Errorf("header %v", g.header)
	}
}

func TestChatEvents(t *testing.T) {
	s := start(t, Config{})
	head := `data: {"id":"chatcmpl-000000000000000000000001","object":"chat.completion.chunk","created":TIME,"model":"gpt-test","service_tier":"default","system_fingerprint":null,`
	want := head + `"choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n" +
		head + `"choices":[{"index":0,"delta":{"content":"one "},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n" +
		head + `"choices":[{"index":0,"delta":{"content":"two"},"logprobs":null,"finish_reason":null}],"usage":null}` + "\n\n" +
		head + `"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}` + "\n\n" +
		head + `"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}}` + "\n\n" +
		"data: [DONE]\n\n"
	body := strings.TrimSuffix(streamed(chat("echo one two")), "}") + `,"stream_options":{"include_usage":true}}`
	g := post(t, s, "/chat/completions", body)
	if timeless(g.body) != want {
		t.Errorf("got %s\nwant %s", timeless(g.body), want)
	}
	if g.header.Get("Content-Type") != "text/event-stream; charset=utf-8" {
		t.Errorf("header %v", g.header)
	}
	lacks(t, "stream without include_usage", post(t, s, "/chat/completions", streamed(chat("echo one two"))).body, "usage")
}

func TestErrorBody(t *testing.T) {
	s := start(t, Config{Faults: MustFaults("insufficient_quota")})
	want := `{
    "error": {
        "message": "You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "type": "insufficient_quota",
        "param": null,
        "code": "insufficient_quota"
    }
}`
	if g := post(t, s, "/chat/completions", chat("x")); g.body != want || g.status != 429 {
		t.Errorf("status %d, got %s", g.status, g.body)
	}
}

var created = regexp.MustCompile(`("created": ?)\d+`)

func timeless(body string) string { return created.ReplaceAllString(body, "${1}TIME") }

func TestPieces(t *testing.T) {
	for _, text := range []string{"", "one", "one two\nthree ", strings.Repeat("word ", 50000), strings.Repeat("数", 9000)} {
		p := pieces(text)
		if strings.Join(p, "") != text {
			t.Errorf("the pieces of %.20q do not make the text", text)
		}
		if len(p) > 1001 {
			t.Errorf("%.20q has %d pieces", text, len(p))
		}
	}
}
