package wire

import (
	"bytes"
	"cmp"
	"io"
	"strings"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
	"gptpipe/pkg/scan"
)

// chat is POST /chat/completions, the API that everybody speaks.
var chat = format{
	path: "/chat/completions",
	// max_tokens is deprecated, and refused by reasoning models.
	maxTokens:    "max_completion_tokens",
	streamFields: `,"stream":true,"stream_options":{"include_usage":true}`,
	prompt: func(b *body, p *llm.Prompt) {
		b.field("messages", messages(withJSONWord(p.Messages, p), chatParts))
	},
	answerFormat: func(b *body, p *llm.Prompt) {
		switch {
		case p.Schema != nil:
			f := append([]byte(`{"type":"json_schema","json_schema":{"name":"`), schemaName(p.Schema)...)
			f = append(f, `","schema":`...)
			f = append(f, p.Schema...)
			b.field("response_format", append(f, `,"strict":true}}`...))
		case p.JSON:
			b.field("response_format", []byte(`{"type":"json_object"}`))
		}
	},
	read:      readChat,
	newStream: func() stream { return &chatStream{} },
}

func chatParts(out []byte, m *llm.Message) []byte {
	out = append(out, `[{"type":"text","text":`...)
	out = record.AppendString(out, m.Content)
	for _, image := range m.Images {
		out = append(out, `},{"type":"image_url","image_url":{"url":`...)
		out = record.AppendString(out, image)
		out = append(out, '}')
	}
	return append(out, `}]`...)
}

// A chatAnswer is a chat completion, or a chunk of one.
type chatAnswer struct {
	model   string
	usage   []byte
	fault   []byte
	choices []chatChoice
}

type chatChoice struct {
	index        int
	content      string
	set          bool // there is a content, be it an empty one
	refusal      string
	other        string // what there is that is no text, in words
	finishReason string
}

// parseChat reads in place: encoding/json took a fifth of all the time of a
// client with small answers. What is said stands in the field "message" of a
// choice, or "delta" in a stream; some servers send the other as well.
func parseChat(data []byte, field string) (chatAnswer, error) {
	var a chatAnswer
	err := parse(data, func(name, value []byte) error {
		switch string(name) {
		case "model":
			return setText(&a.model, value)
		case "usage":
			a.usage = bytes.Clone(value) // without the rest of the answer
		case "error":
			a.fault = value
		case "choices":
			return scan.Elements(value, func(value []byte) error {
				a.choices = append(a.choices, chatChoice{})
				return a.choices[len(a.choices)-1].parse(value, field)
			})
		}
		return nil
	})
	return a, err
}

func (c *chatChoice) parse(value []byte, field string) error {
	return fields(value, func(name, value []byte) error {
		switch string(name) {
		case "index":
			return setInt(&c.index, value)
		case "finish_reason":
			return setText(&c.finishReason, value)
		case field:
			return fields(value, c.messageField)
		}
		return nil
	})
}

func (c *chatChoice) messageField(name, value []byte) error {
	switch string(name) {
	case "content":
		c.set = true
		if scan.First(value) == '[' { // of parts, from some servers
			return setParts(&c.content, value)
		}
		return setText(&c.content, value)
	case "refusal":
		return setText(&c.refusal, value)
	case "tool_calls", "function_call":
		if present(value) {
			c.other = "a tool call"
		}
	case "audio":
		if present(value) {
			c.other = cmp.Or(c.other, "audio")
		}
	}
	return nil
}

func setParts(to *string, value []byte) error {
	var all strings.Builder
	err := scan.Elements(value, func(part []byte) error {
		text := ""
		err := fields(part, func(name, value []byte) error {
			if string(name) != "text" {
				return nil
			}
			return setText(&text, value)
		})
		all.WriteString(text)
		return err
	})
	*to = all.String()
	return err
}

func readChat(body []byte) (*llm.Response, error) {
	a, err := parseChat(body, "message")
	if err != nil {
		return nil, err
	}
	if present(a.fault) {
		return nil, bodyError(body)
	}
	if len(a.choices) == 0 {
		return nil, badResponse("the answer has no choices")
	}
	c := a.choices[0]
	resp := &llm.Response{Text: c.content, Model: a.model, FinishReason: c.finishReason, Refusal: c.refusal, Usage: a.usage}
	return withContent(resp, c.set, c.other)
}

// withContent lets an answer through that has a text, be it an empty one, or
// fails as what it is. What is no text, such as a tool call, would come again
// however often one asked, and nothing, or only what a model has thought, may.
func withContent(resp *llm.Response, set bool, other string) (*llm.Response, error) {
	switch {
	case resp.Err() != nil:
	case other != "" && resp.Text == "":
		return nil, lasting("the answer is " + other + ", not text")
	case !set:
		e := badResponse("the answer has no content")
		e.OnceMore = true
		return nil, e
	}
	return resp, nil
}

// present reports whether a field holds something.
func present(raw []byte) bool {
	list, ok := bytes.CutPrefix(raw, []byte("["))
	empty := ok && scan.First(bytes.TrimLeft(list, " \t\r\n")) == ']'
	return len(raw) > 0 && !scan.IsNull(raw) && !empty
}

// A chatStream puts a chat completion together from its chunks.
type chatStream struct {
	resp  llm.Response
	text  strings.Builder
	set   bool // there was a text, be it an empty one
	other string
	done  bool // [DONE] has come
}

func (s *chatStream) event(data []byte) (string, error) {
	if string(bytes.TrimSpace(data)) == "[DONE]" {
		s.done = true
		return "", io.EOF
	}
	a, err := parseChat(data, "delta")
	if err != nil {
		return "", err
	}
	if present(a.fault) {
		return "", bodyError(data)
	}
	if a.model != "" {
		s.resp.Model = a.model
	}
	if a.usage != nil {
		s.resp.Usage = a.usage
	}
	delta := ""
	for _, c := range a.choices { // none in the chunk that brings the usage
		if c.index != 0 {
			continue // with an option n there are several answers, and one is wanted
		}
		if c.finishReason != "" {
			s.resp.FinishReason = c.finishReason
		}
		s.resp.Refusal += c.refusal
		s.set = s.set || c.set
		s.other = cmp.Or(c.other, s.other)
		delta += c.content
	}
	s.text.WriteString(delta)
	return delta, nil
}

// A stream is whole with a finish_reason, or with [DONE] from servers that
// send no reason.
func (s *chatStream) response() (*llm.Response, error) {
	if !s.done && s.resp.FinishReason == "" {
		return nil, errCut()
	}
	s.resp.Text = s.text.String()
	return withContent(&s.resp, s.set, s.other)
}
