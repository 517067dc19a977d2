package wire

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	oresponses "github.com/openai/openai-go/v3/responses"

	"gptpipe/pkg/llm"
)

// Whole answers, as the APIs and their imitators send them.
func TestReadAnswers(t *testing.T) {
	chat := func(choice string) string {
		return `{"id":"c","model":"m","choices":[` + choice + `],"usage":{"prompt_tokens":3,"completion_tokens":4}}`
	}
	for _, test := range []struct {
		name, api, body string
		want            llm.Response
		fails           string // part of the message of a bad_response
		final           bool   // to ask again would bring the same
	}{
		{name: "a string", api: "chat", body: chat(`{"message":{"content":"hi"},"finish_reason":"stop"}`),
			want: llm.Response{Text: "hi", FinishReason: "stop"}},
		{name: "an empty string is an answer", api: "chat", body: chat(`{"message":{"content":""},"finish_reason":"stop"}`),
			want: llm.Response{FinishReason: "stop"}},
		{name: "escapes", api: "chat", body: chat(`{"message":{"content":"\u00fc\n\ud83d\ude00 \ud800"},"finish_reason":"stop"}`),
			want: llm.Response{Text: "ü\n😀 \ufffd", FinishReason: "stop"}},
		{name: "parts", api: "chat", body: chat(`{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"},{"type":"text","text":"b"}]},"finish_reason":"stop"}`),
			want: llm.Response{Text: "ab", FinishReason: "stop"}},
		{name: "no finish_reason", api: "chat", body: chat(`{"message":{"content":"hi"},"finish_reason":null}`),
			want: llm.Response{Text: "hi"}},
		{name: "the first of several choices", api: "chat", body: chat(`{"index":0,"message":{"content":"a"},"finish_reason":"stop"},{"index":1,"message":{"content":"b"},"finish_reason":"length"}`),
			want: llm.Response{Text: "a", FinishReason: "stop"}},
		{name: "cut before the first word", api: "chat", body: chat(`{"message":{"content":null},"finish_reason":"length"}`),
			want: llm.Response{FinishReason: "length"}},
		{name: "an error that is null", api: "chat", body: `{"error":null,` + chat(`{"message":{"content":"hi"}}`)[1:],
			want: llm.Response{Text: "hi"}},
		{name: "with an empty delta beside it, as from Perplexity", api: "chat", body: chat(`{"index":0.0,"message":{"content":"hi"},"delta":{"role":"assistant","content":""},"finish_reason":"stop"}`),
			want: llm.Response{Text: "hi", FinishReason: "stop"}},
		{name: "with a delta before it", api: "chat", body: chat(`{"delta":{"content":"x","refusal":"no","tool_calls":[{}]},"message":{"content":"hi"},"finish_reason":"stop"}`),
			want: llm.Response{Text: "hi", FinishReason: "stop"}},
		{name: "no content at all", api: "chat", body: chat(`{"message":{},"finish_reason":"stop"}`), fails: "no content"},
		{name: "a number for content", api: "chat", body: chat(`{"message":{"content":7}}`), fails: "not the JSON it should be: choices.message.content has the wrong type"},
		{name: "no choices", api: "chat", body: `{"id":"c"}`, fails: "no choices"},
		{name: "a tool call", api: "chat", body: chat(`{"message":{"content":null,"tool_calls":[{"id":"t"}]},"finish_reason":"tool_calls"}`), fails: "a tool call", final: true},
		{name: "a tool call with an empty text", api: "chat", body: chat(`{"message":{"content":"","tool_calls":[{"id":"t"}]},"finish_reason":"tool_calls"}`), fails: "a tool call", final: true},
		{name: "no tool calls", api: "chat", body: chat(`{"message":{"content":"","tool_calls":[]},"finish_reason":"stop"}`),
			want: llm.Response{FinishReason: "stop"}},
		{name: "no tool calls, spread out", api: "chat", body: chat(`{"message":{"content":"","tool_calls" : [
 ] },"finish_reason":"stop"}`),
			want: llm.Response{FinishReason: "stop"}},
		{name: "a call of a function, as it was", api: "chat", body: chat(`{"message":{"content":null,"function_call":{"name":"f","arguments":"{}"}},"finish_reason":"function_call"}`), fails: "a tool call", final: true},
		{name: "audio", api: "chat", body: chat(`{"message":{"content":null,"audio":{"id":"a","data":"AAAA"}},"finish_reason":"stop"}`), fails: "audio", final: true},
		{name: "a thought alone", api: "chat", body: chat(`{"message":{"content":null,"reasoning_content":"hm"},"finish_reason":"stop"}`), fails: "no content"},
		{name: "an array", api: "chat", body: `[]`, fails: "not the JSON it should be"},
		{name: "null", api: "chat", body: `null`, fails: "no choices"},
		{name: "white space", api: "chat", body: " \n", fails: "empty"},

		{name: "one message", api: "responses", body: `{"status":"completed","model":"m","output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}]}`,
			want: llm.Response{Text: "hi", FinishReason: "stop"}},
		{name: "reasoning in front, two parts", api: "responses", body: `{"status":"completed","model":"m","output":[{"type":"reasoning","summary":[]},{"type":"message","content":[{"type":"output_text","text":"a"},{"type":"output_text","text":"b"}]}]}`,
			want: llm.Response{Text: "ab", FinishReason: "stop"}},
		{name: "cut", api: "responses", body: `{"status":"incomplete","model":"m","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"reasoning"}]}`,
			want: llm.Response{FinishReason: "length"}},
		{name: "filtered", api: "responses", body: `{"status":"incomplete","model":"m","incomplete_details":{"reason":"content_filter"},"output":[]}`,
			want: llm.Response{FinishReason: "content_filter"}},
		{name: "incomplete for a reason that it keeps", api: "responses", body: `{"status":"incomplete","model":"m","incomplete_details":null,"output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}`,
			want: llm.Response{Text: "a", FinishReason: "length"}},
		{name: "refused", api: "responses", body: `{"status":"completed","model":"m","output":[{"type":"message","content":[{"type":"refusal","refusal":"No."}]}]}`,
			want: llm.Response{Refusal: "No.", FinishReason: "stop"}},
		{name: "no output", api: "responses", body: `{"status":"completed","model":"m","output":[]}`, fails: "no content"},
		{name: "reasoning alone", api: "responses", body: `{"status":"completed","model":"m","output":[{"type":"reasoning"}]}`, fails: "no content"},
		{name: "a function call", api: "responses", body: `{"status":"completed","model":"m","output":[{"type":"function_call"}]}`, fails: "a tool call", final: true},
		{name: "a request for approval", api: "responses", body: `{"status":"completed","model":"m","output":[{"type":"reasoning"},{"type":"mcp_approval_request"}]}`, fails: "mcp_approval_request", final: true},
		{name: "in the background", api: "responses", body: `{"status":"queued","model":"m","output":[]}`, fails: "queued", final: true},
		{name: "still at work", api: "responses", body: `{"status":"in_progress","model":"m","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}`, fails: "in_progress", final: true},
		{name: "given up", api: "responses", body: `{"status":"cancelled","model":"m","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}`, fails: "cancelled", final: true},
		{name: "failed, and no error", api: "responses", body: `{"status":"failed","model":"m","error":null,"output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}`, fails: "failed"},
		{name: "a chat completion", api: "responses", body: chat(`{"message":{"content":"hi"}}`), fails: "no output"},
	} {
		t.Run(test.api+", "+test.name, func(t *testing.T) {
			resp, err := formatOf(test.api).read([]byte(test.body))
			if test.fails != "" {
				want{llm.BadResponse, "", 200, !test.final, 0, false, test.fails}.check(t, err)
				if e := failure(t, err); e.OnceMore != (test.fails == "no content") {
					t.Errorf("%+v", e)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if resp.Text != test.want.Text || resp.FinishReason != test.want.FinishReason || resp.Refusal != test.want.Refusal || resp.Model != "m" {
				t.Errorf("%+v, want %+v", resp, test.want)
			}
		})
	}
}

// Streams, as the APIs and their imitators send them.
func TestReadStreams(t *testing.T) {
	text := func(delta string) string { return `{"model":"m","choices":[{"index":0,"delta":` + delta + `}]}` }
	const stop = `{"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	for _, test := range []struct {
		name, api string
		events    []string // the data of each
		want      string
		fails     string
		final     bool
	}{
		{name: "usual", api: "chat", events: []string{text(`{"role":"assistant","content":""}`), text(`{"content":"a"}`), text(`{"content":"b"}`), stop, "[DONE]"}, want: "ab"},
		{name: "with the whole so far beside it, as from Perplexity", api: "chat", events: []string{
			`{"model":"m","choices":[{"index":0,"delta":{"content":"a"},"message":{"content":"a"}}]}`,
			`{"model":"m","choices":[{"index":0,"message":{"content":"ab"},"delta":{"content":"b"}}]}`, stop}, want: "ab"},
		{name: "an end without [DONE]", api: "chat", events: []string{text(`{"content":"a"}`), stop}, want: "a"},
		{name: "an end without finish_reason", api: "chat", events: []string{text(`{"content":"a"}`), "[DONE]"}, want: "a"},
		{name: "no end at all", api: "chat", events: []string{text(`{"content":"a"}`)}, fails: "cut before its end"},
		{name: "nothing after [DONE] counts", api: "chat", events: []string{text(`{"content":"a"}`), "[DONE]", "rubbish"}, want: "a"},
		{name: "empty events between", api: "chat", events: []string{"", text(`{"content":"a"}`), "", stop, "[DONE]"}, want: "a"},
		{name: "the first of several choices", api: "chat", events: []string{
			text(`{"content":"a"}`),
			`{"choices":[{"index":1,"delta":{"content":"x"}}]}`,
			`{"choices":[{"index":1,"delta":{"content":"y"}},{"index":0,"delta":{"content":"b"}}]}`,
			`{"choices":[{"index":1,"delta":{},"finish_reason":"length"}]}`,
			stop, "[DONE]"}, want: "ab"},
		{name: "the other choice ends first", api: "chat", events: []string{text(`{"content":"a"}`), `{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}`}, fails: "cut before its end"},
		{name: "no content", api: "chat", events: []string{text(`{"role":"assistant","content":null}`), stop, "[DONE]"}, fails: "no content"},
		{name: "no choices", api: "chat", events: []string{`{"choices":[],"usage":{"prompt_tokens":1}}`, "[DONE]"}, fails: "no content"},
		{name: "an empty answer", api: "chat", events: []string{text(`{"content":""}`), stop, "[DONE]"}, want: ""},
		{name: "a tool call", api: "chat", events: []string{text(`{"content":"","tool_calls":[{"index":0,"id":"t"}]}`), stop, "[DONE]"}, fails: "a tool call", final: true},
		{name: "no JSON", api: "chat", events: []string{`{"choices":[`}, fails: "not the JSON it should be"},

		{name: "usual", api: "responses", events: []string{
			`{"type":"response.created","response":{"status":"in_progress"}}`,
			`{"type":"response.output_text.delta","delta":"a\u00fc"}`, "",
			`{"type":"response.completed","response":{"status":"completed","model":"m","output":[{"type":"message","content":[{"type":"output_text","text":"aü"}]}]}}`}, want: "aü"},
		{name: "no end at all", api: "responses", events: []string{`{"type":"response.output_text.delta","delta":"a"}`}, fails: "cut before its end"},
		{name: "a kind of event that is not known", api: "responses", events: []string{`{"type":"response.news","delta":{"a":1}}`,
			`{"type":"response.completed","response":{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":""}]}]}}`}, want: ""},
		{name: "completed without a response", api: "responses", events: []string{`{"type":"response.completed"}`}, fails: "empty"},
	} {
		t.Run(test.api+", "+test.name, func(t *testing.T) {
			var in strings.Builder
			for _, e := range test.events {
				in.WriteString("data: " + e + "\n\n")
			}
			deltas := ""
			resp, err := formatOf(test.api).readStream(strings.NewReader(in.String()), func(s string) { deltas += s })
			if test.fails != "" {
				want{llm.BadResponse, "", 200, !test.final, 0, false, test.fails}.check(t, err)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if resp.Text != test.want || deltas != test.want {
				t.Errorf("%q, streamed %q, want %q", resp.Text, deltas, test.want)
			}
		})
	}
}

// What the types of the official client hold, we read the same.
func TestReadWhatTheOfficialTypesHold(t *testing.T) {
	chat := `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-test-2026","service_tier":"default",
		"choices":[{"index":0,"message":{"role":"assistant","content":"Tag, \"Welt\"\n","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],
		"usage":{"prompt_tokens":19,"completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0}}}`
	var theirs openai.ChatCompletion
	if err := json.Unmarshal([]byte(chat), &theirs); err != nil {
		t.Fatal(err)
	}
	ours, err := readChat([]byte(theirs.RawJSON()))
	if err != nil {
		t.Fatal(err)
	}
	in, out := ours.Tokens()
	if c := theirs.Choices[0]; ours.Text != c.Message.Content || ours.FinishReason != c.FinishReason || ours.Model != theirs.Model ||
		int64(in) != theirs.Usage.PromptTokens || int64(out) != theirs.Usage.CompletionTokens {
		t.Errorf("ours %+v, theirs %s", ours, theirs.RawJSON())
	}

	body := `{"id":"resp_1","object":"response","created_at":1,"status":"completed","error":null,"incomplete_details":null,"model":"gpt-test-2026",
		"output":[{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"not this"}]},
			{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"Tag, ","annotations":[],"logprobs":[]},{"type":"output_text","text":"Welt\n","annotations":[],"logprobs":[]}]}],
		"usage":{"input_tokens":19,"input_tokens_details":{"cached_tokens":0},"output_tokens":10,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":29}}`
	var response oresponses.Response
	if err := json.Unmarshal([]byte(body), &response); err != nil {
		t.Fatal(err)
	}
	if ours, err = readResponses([]byte(response.RawJSON())); err != nil {
		t.Fatal(err)
	}
	in, out = ours.Tokens()
	if ours.Text != response.OutputText() || ours.FinishReason != "stop" || ours.Model != response.Model ||
		int64(in) != response.Usage.InputTokens || int64(out) != response.Usage.OutputTokens {
		t.Errorf("ours %+v, theirs %s", ours, response.RawJSON())
	}
}
