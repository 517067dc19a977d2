package client

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"sync"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
	"gptpipe/pkg/scan"
)

// masked takes the known secrets out of what a server says beside the text of
// the model, before anything stores or tells it: some gateways repeat the key
// there, and it would come to light long after it was changed.
func (c *Client) masked(next llm.Completer) llm.Completer {
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		resp, err := next.Complete(ctx, req)
		if resp != nil {
			known := c.sys.Redact.Known
			resp.Model, resp.FinishReason, resp.RequestID = known(resp.Model), known(resp.FinishReason), known(resp.RequestID)
			resp.Usage, resp.Body = c.maskJSON(resp.Usage), c.maskJSON(resp.Body)
			if resp.Refusal != "" {
				resp.Refusal = c.sys.Redact.String(resp.Refusal)
			}
		}
		if e := llm.Failed(err); e != nil {
			e.Code, e.Message = c.sys.Redact.String(e.Code), c.sys.Redact.String(e.Message)
			e.Body, e.RequestID = maskStrings(e.Body, c.sys.Redact.String), c.sys.Redact.Known(e.RequestID)
		}
		return resp, err
	})
}

// In an answer, what the model has written are the strings of these names, within
// the values of these others: the user's data, which stay as they are.
var (
	said = map[string]bool{
		"content": true, "text": true, "arguments": true, "input": true, "transcript": true,
		"reasoning": true, "reasoning_content": true, "thinking": true,
	}
	within = map[string]bool{"choices": true, "output": true}
)

// tokens are the strings in JSON, names with their colon, and what stands between
// values.
var tokens = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`"(?:[^"\\]|\\.)*"\s*:?|[\[\]{},]`) })

// maskJSON is the JSON of a server without known secrets, but for what the model
// has written.
func (c *Client) maskJSON(data []byte) []byte {
	known := c.sys.Redact.Known
	switch {
	case !c.sys.Redact.Has(data):
		return data
	case !json.Valid(data):
		return []byte(known(string(data)))
	}
	return maskStrings(data, known)
}

// maskStrings hides what is to be hidden of the strings in JSON, but for what the
// model has written.
func maskStrings(data []byte, hide func(string) string) []byte {
	depth := 0
	answer := 0     // the depth of what the model has had a part in; 0: it has not begun
	begins := false // with the value that comes next
	theirs := false // the string that comes next
	return tokens().ReplaceAllFunc(data, func(token []byte) []byte {
		quoted, isName := bytes.CutSuffix(token, []byte(":"))
		keep, first := theirs && !isName, begins
		theirs, begins = false, false
		switch token[0] {
		case '{', '[':
			if depth++; first {
				answer = depth
			}
		case '}', ']':
			if depth--; depth < answer {
				answer = 0
			}
		}
		if keep || token[0] != '"' {
			return token
		}
		text, _ := scan.Text(bytes.TrimSpace(quoted))
		if isName {
			theirs = answer > 0 && said[text]
			begins = answer == 0 && within[text]
		}
		hidden := hide(text)
		if hidden == text {
			return token
		}
		return append(record.AppendString(nil, hidden), token[len(quoted):]...)
	})
}
