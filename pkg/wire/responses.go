package wire

import (
	"cmp"
	"encoding/json"
	"io"
	"strings"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
)

// responses is POST /responses, OpenAI's newer API.
var responses = format{
	path:         "/responses",
	maxTokens:    "max_output_tokens",
	noSeed:       true,
	streamFields: `,"stream":true`,
	prompt: func(b *body, p *llm.Prompt) {
		var system []string
		var turns []llm.Message
		for _, m := range p.Messages {
			if m.Role == "system" {
				system = append(system, m.Content)
			} else {
				turns = append(turns, m)
			}
		}
		if system != nil {
			b.field("instructions", record.AppendString(nil, strings.Join(system, "\n\n")))
		}
		// The instructions do not count where the API looks for the word JSON.
		b.field("input", messages(withJSONWord(turns, p), responsesParts))
		b.field("store", []byte("false")) // the server would keep it otherwise
	},
	answerFormat: func(b *body, p *llm.Prompt) {
		switch {
		case p.Schema != nil:
			f := append([]byte(`{"format":{"type":"json_schema","name":"`), schemaName(p.Schema)...)
			f = append(f, `","schema":`...)
			f = append(f, p.Schema...)
			b.field("text", append(f, `,"strict":true}}`...))
		case p.JSON:
			b.field("text", []byte(`{"format":{"type":"json_object"}}`))
		}
	},
	read:      readResponses,
	newStream: func() stream { return &responsesStream{} },
}

func responsesParts(out []byte, m *llm.Message) []byte {
	out = append(out, `[{"type":"input_text","text":`...)
	out = record.AppendString(out, m.Content)
	for _, image := range m.Images {
		out = append(out, `},{"type":"input_image","image_url":`...)
		out = record.AppendString(out, image)
	}
	return append(out, `}]`...)
}

type responsesAnswer struct {
	Status     string          `json:"status"`
	Model      string          `json:"model"`
	Usage      json.RawMessage `json:"usage"`
	Error      json.RawMessage `json:"error"`
	Incomplete struct {
		Reason string `json:"reason"`
	} `json:"incomplete_details"`
	Output []struct {
		Type    string `json:"type"`
		Content []struct {
			Type    string `json:"type"`
			Text    string `json:"text"`
			Refusal string `json:"refusal"`
		} `json:"content"`
	} `json:"output"`
}

func readResponses(body []byte) (*llm.Response, error) {
	var a responsesAnswer
	if err := decode(body, &a); err != nil {
		return nil, err
	}
	if present(a.Error) {
		return nil, bodyError(body)
	}
	resp := &llm.Response{Model: a.Model, Usage: a.Usage, FinishReason: a.finishReason()}
	found, other := false, ""
	for _, item := range a.Output {
		switch {
		case item.Type == "" || item.Type == "message" || item.Type == "reasoning":
		case strings.HasSuffix(item.Type, "_call"):
			other = "a tool call"
		default:
			other = cmp.Or(other, "an item of type "+item.Type)
		}
		for _, part := range item.Content {
			switch part.Type {
			case "output_text":
				found = true
				resp.Text += part.Text
			case "refusal":
				resp.Refusal += part.Refusal
			}
		}
	}
	switch {
	case resp.Err() != nil:
		return resp, nil
	case a.Status == "":
		return nil, badResponse("the answer has no output")
	case a.Status == "failed":
		return nil, badResponse("the answer has the status failed")
	case a.Status != "completed": // it is made in the background, and would be made again
		return nil, lasting("the answer has the status " + a.Status)
	}
	return withContent(resp, found, other)
}

// finishReason is the status in the words of chat completions.
func (a *responsesAnswer) finishReason() string {
	switch {
	case a.Status == "completed":
		return "stop"
	case a.Incomplete.Reason == "content_filter":
		return "content_filter"
	case a.Status == "incomplete":
		return "length"
	}
	return a.Status
}

// A responsesStream waits for the event that brings the whole response.
type responsesStream struct{ resp *llm.Response }

func (s *responsesStream) event(data []byte) (string, error) {
	var e struct {
		Type     string          `json:"type"`
		Delta    json.RawMessage `json:"delta"`
		Response json.RawMessage `json:"response"`
	}
	if err := decode(data, &e); err != nil {
		return "", err
	}
	switch e.Type {
	case "response.output_text.delta":
		return record.Text(e.Delta), nil
	case "response.completed", "response.incomplete", "response.failed":
		resp, err := readResponses(e.Response)
		if err != nil {
			return "", err
		}
		s.resp = resp
		return "", io.EOF
	case "error":
		return "", bodyError(data)
	}
	return "", nil
}

func (s *responsesStream) response() (*llm.Response, error) {
	if s.resp == nil {
		return nil, errCut()
	}
	return s.resp, nil
}
