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
			e.Body, e.RequestID = c.maskJSON(e.Body), c.sys.Redact.Known(e.RequestID)
		}
		return resp, err
	})
}

// said are the names of the strings that the model has written: the user's data,
// which stay as they are.
var said = map[string]bool{"content": true, "text": true, "arguments": true, "input": true, "reasoning": true, "reasoning_content": true}

// tokens are the strings in JSON, names with their colon, and what ends the
// reach of a name.
var tokens = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`"(?:[^"\\]|\\.)*"\s*:?|[\[{,]`) })

// maskJSON is the JSON of a server without known secrets, but for what the model
// has said.
func (c *Client) maskJSON(data []byte) []byte {
	switch {
	case !c.sys.Redact.Has(data):
		return data
	case !json.Valid(data):
		return []byte(c.sys.Redact.Known(string(data)))
	}
	theirs := false // the string that comes next
	return tokens().ReplaceAllFunc(data, func(token []byte) []byte {
		quoted, isName := bytes.CutSuffix(token, []byte(":"))
		keep := theirs && !isName
		theirs = false
		if keep || token[0] != '"' {
			return token
		}
		text, _ := scan.Text(bytes.TrimSpace(quoted))
		theirs = isName && said[text]
		masked := c.sys.Redact.Known(text)
		if masked == text {
			return token
		}
		return append(record.AppendString(nil, masked), token[len(quoted):]...)
	})
}
