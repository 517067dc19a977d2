package wire

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
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

// A chatMessage is a message of an answer, or the delta of one.
type chatMessage struct {
	Content   content         `json:"content"`
	Refusal   string          `json:"refusal"`
	ToolCalls json.RawMessage `json:"tool_calls"`
}

// content is text: a string, or with some servers an array of parts.
type content struct {
	text string
	set  bool
}

func (c *content) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		return nil
	}
	c.set = true
	if data[0] == '"' {
		return json.Unmarshal(data, &c.text)
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(data, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		c.text += p.Text
	}
	return nil
}

type chatAnswer struct {
	Model   string          `json:"model"`
	Usage   json.RawMessage `json:"usage"`
	Error   json.RawMessage `json:"error"`
	Choices []struct {
		Index        int         `json:"index"`
		Message      chatMessage `json:"message"`
		Delta        chatMessage `json:"delta"`
		FinishReason string      `json:"finish_reason"`
	} `json:"choices"`
}

func readChat(body []byte) (*llm.Response, error) {
	var a chatAnswer
	if err := decode(body, &a); err != nil {
		return nil, err
	}
	if present(a.Error) {
		return nil, bodyError(body)
	}
	if len(a.Choices) == 0 {
		return nil, badResponse("the answer has no choices")
	}
	choice := a.Choices[0]
	resp := &llm.Response{
		Text:         choice.Message.Content.text,
		Model:        a.Model,
		FinishReason: choice.FinishReason,
		Refusal:      choice.Message.Refusal,
		Usage:        a.Usage,
	}
	return withContent(resp, choice.Message.Content.set, present(choice.Message.ToolCalls))
}

// withContent lets an answer through that has a text, be it an empty one, or
// fails as what it is. A tool call would come again however often one asked.
func withContent(resp *llm.Response, set, toolCall bool) (*llm.Response, error) {
	switch {
	case resp.Err() != nil:
	case toolCall && resp.Text == "":
		return nil, &llm.Error{Type: llm.BadResponse, Status: 200, Message: "the answer is a tool call, not text"}
	case !set:
		return nil, badResponse("the answer has no content")
	}
	return resp, nil
}

// present reports whether a field holds something.
func present(raw json.RawMessage) bool {
	return len(raw) > 0 && string(raw) != "null" && string(raw) != "[]"
}

// A chatStream puts a chat completion together from its chunks.
type chatStream struct {
	resp llm.Response
	text strings.Builder
	set  bool // there was a text, be it an empty one
	tool bool
	done bool // [DONE] has come
}

func (s *chatStream) event(data []byte) (string, error) {
	if string(bytes.TrimSpace(data)) == "[DONE]" {
		s.done = true
		return "", io.EOF
	}
	var a chatAnswer
	if err := decode(data, &a); err != nil {
		return "", err
	}
	if present(a.Error) {
		return "", bodyError(data)
	}
	if a.Model != "" {
		s.resp.Model = a.Model
	}
	if present(a.Usage) {
		s.resp.Usage = a.Usage
	}
	delta := ""
	for _, choice := range a.Choices { // none in the chunk that brings the usage
		if choice.Index != 0 {
			continue // with an option n there are several answers, and one is wanted
		}
		if choice.FinishReason != "" {
			s.resp.FinishReason = choice.FinishReason
		}
		s.resp.Refusal += choice.Delta.Refusal
		s.set = s.set || choice.Delta.Content.set
		s.tool = s.tool || present(choice.Delta.ToolCalls)
		delta += choice.Delta.Content.text
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
	return withContent(&s.resp, s.set, s.tool)
}
