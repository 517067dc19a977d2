package batch

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
)

// Failed is the output for a live request that failed: with the status that the
// server gave, or as an error without an answer.
func Failed(customID string, e *llm.Error) Output {
	code := e.Code
	if code == "" {
		code = string(e.Type)
	}
	object := append([]byte(nil), `{"code":`...)
	object = record.AppendString(object, code)
	object = append(object, `,"message":`...)
	object = record.AppendString(object, e.Message)
	object = append(object, '}')
	if e.Status/100 == 2 || e.Status == 0 {
		return Output{CustomID: customID, Error: object}
	}
	body := append([]byte(`{"error":`), object...)
	return Output{CustomID: customID, Status: e.Status, Body: append(body, '}')}
}

// Answered is the output for a live request that was answered. Raw is the body
// of the answer; where that is not at hand, as with one from the cache, the
// body is made from what the response holds, in the form that the URL of the
// request asks for: the same response gives the same bytes always.
func Answered(in Input, resp *llm.Response, raw []byte) Output {
	out := Output{CustomID: in.CustomID, Status: http.StatusOK, RequestID: resp.RequestID, Body: raw}
	switch {
	case len(raw) > 0:
	case strings.HasSuffix(in.URL, "/responses"):
		out.Body = responseBody(in.CustomID, resp)
	default:
		out.Body = chatBody(in.CustomID, resp)
	}
	return out
}

// madeID is an id for what has none; the same thing has the same.
func madeID(prefix, customID string) string {
	h := sha256.Sum256([]byte(customID))
	return prefix + hex.EncodeToString(h[:12])
}

func chatBody(customID string, resp *llm.Response) []byte {
	out := append([]byte(nil), `{"id":`...)
	out = record.AppendString(out, madeID("chatcmpl-", customID))
	out = append(out, `,"object":"chat.completion","created":0,"model":`...)
	out = record.AppendString(out, resp.Model)
	out = append(out, `,"choices":[{"index":0,"message":{"role":"assistant","content":`...)
	out = appendText(out, resp)
	out = append(out, `,"refusal":`...)
	if resp.Refusal == "" {
		out = append(out, "null"...)
	} else {
		out = record.AppendString(out, resp.Refusal)
	}
	out = append(out, `},"logprobs":null,"finish_reason":`...)
	out = record.AppendString(out, resp.FinishReason)
	out = append(out, `}]`...)
	return appendUsage(out, resp)
}

// appendText appends the text; of an answer that is a refusal alone, null.
func appendText(out []byte, resp *llm.Response) []byte {
	if resp.Text == "" && resp.Refusal != "" {
		return append(out, "null"...)
	}
	return record.AppendString(out, resp.Text)
}

func responseBody(customID string, resp *llm.Response) []byte {
	status, reason := "completed", ""
	switch resp.FinishReason {
	case "length":
		status, reason = "incomplete", "max_output_tokens"
	case "content_filter":
		status, reason = "incomplete", "content_filter"
	}
	out := append([]byte(nil), `{"id":`...)
	out = record.AppendString(out, madeID("resp_", customID))
	out = append(out, `,"object":"response","created_at":0,"status":"`...)
	out = append(out, status...)
	out = append(out, `","error":null,"incomplete_details":`...)
	if reason == "" {
		out = append(out, "null"...)
	} else {
		out = append(append(append(out, `{"reason":"`...), reason...), `"}`...)
	}
	out = append(out, `,"model":`...)
	out = record.AppendString(out, resp.Model)
	out = append(out, `,"output":[{"type":"message","id":`...)
	out = record.AppendString(out, madeID("msg_", customID))
	out = append(out, `,"status":"`...)
	out = append(out, status...)
	out = append(out, `","role":"assistant","content":[`...)
	if resp.Refusal != "" {
		out = append(out, `{"type":"refusal","refusal":`...)
		out = record.AppendString(out, resp.Refusal)
	} else {
		out = append(out, `{"type":"output_text","annotations":[],"text":`...)
		out = record.AppendString(out, resp.Text)
	}
	out = append(out, `}]}]`...)
	return appendUsage(out, resp)
}

func appendUsage(out []byte, resp *llm.Response) []byte {
	out = append(out, `,"usage":`...)
	if len(resp.Usage) == 0 {
		out = append(out, "null"...)
	} else {
		out = append(out, resp.Usage...)
	}
	return append(out, '}')
}
