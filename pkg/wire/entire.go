package wire

import (
	"bytes"
	"encoding/json"
	"slices"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
	"gptpipe/pkg/scan"
)

// paths are those that a request may name by itself: those that the lines of a
// batch may have, https://platform.openai.com/docs/api-reference/batch/create,
// but for those that answer with pictures.
var paths = []string{chat.path, responses.path, embeddings.path, "/completions", "/moderations"}

// Takes reports whether a request may have a path.
func Takes(path string) bool { return slices.Contains(paths, path) }

// entire is a format of which the answer is kept as it is: what it holds, be it a
// tool call, a thought without a word or nothing, is paid for and for the reader to
// judge. Only one that is torn or is an error fails.
func entire(path string) format { return format{path: path, read: readEntire} }

func readEntire(body []byte) (*llm.Response, error) {
	var whole bytes.Buffer
	if err := json.Compact(&whole, valid(body)); err != nil {
		return nil, notJSON(body, err)
	}
	resp := &llm.Response{Body: whole.Bytes()}
	if scan.First(resp.Body) != '{' {
		return nil, badResponse("the answer is not a JSON object")
	}
	failed := false
	err := fields(resp.Body, func(name, value []byte) error {
		switch string(name) {
		case "model":
			if scan.First(value) == '"' {
				resp.Model = record.Text(value)
			}
		case "usage":
			resp.Usage = value
		case "error":
			failed = present(value)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, notJSON(body, err)
	case failed:
		return nil, bodyError(body)
	}
	return resp, nil
}
