package wire

import (
	"bytes"
	"encoding/json"
	"errors"

	"gptpipe/pkg/llm"
)

// entires are the paths that a request may name by itself, and what reads their
// answers to see whether they are broken: those that the lines of a batch may
// have, https://platform.openai.com/docs/api-reference/batch/create, but for
// those that answer with pictures.
var entires = map[string]func(body []byte) (*llm.Response, error){
	chat.path:       readChat,
	responses.path:  readResponses,
	embeddings.path: readEmbeddings,
	"/completions":  nil,
	"/moderations":  nil,
}

// Takes reports whether a request may have a path.
func Takes(path string) bool {
	_, ok := entires[path]
	return ok
}

// entire is a format of which the answer is kept as it is: a tool call, a number
// of choices, or one that was cut at the limit is for the reader to judge.
func entire(path string) format {
	return format{path: path, read: func(body []byte) (*llm.Response, error) {
		var a struct {
			Model string          `json:"model"`
			Usage json.RawMessage `json:"usage"`
			Error json.RawMessage `json:"error"`
		}
		if err := decode(body, &a); err != nil {
			return nil, err
		}
		if present(a.Error) {
			return nil, bodyError(body)
		}
		if check := entires[path]; check != nil {
			var e *llm.Error
			if _, err := check(body); errors.As(err, &e) && e.Retry {
				return nil, err
			}
		}
		var whole bytes.Buffer
		if err := json.Compact(&whole, body); err != nil {
			return nil, badResponse("the answer is not JSON: " + err.Error())
		}
		return &llm.Response{Model: a.Model, Usage: a.Usage, Body: whole.Bytes()}, nil
	}}
}
