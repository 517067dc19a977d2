package standin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// ask is what the two APIs have in common of a request.
type ask struct {
	model     string
	system    string // text of the system or developer messages, or the instructions
	prompt    string // text of the last user message
	text      string // text of all messages
	stream    bool
	usage     bool // the usage chunk was asked for
	maxTokens int  // 0: no limit
	format    string
	schema    schema
	raw       map[string]json.RawMessage // the request itself
}

// completion is what the two APIs have in common of an answer.
type completion struct {
	id           string // without the prefix of its kind
	created      int64
	model        string
	text         string
	refusal      string
	finish       string // stop, length or content_filter
	null         bool   // a message without content
	empty        bool   // no message at all
	promptTokens int
	answerTokens int
}

// answer is ready to be sent.
type answer struct {
	status     int
	header     map[string]string
	body       []byte  // unless stream is set
	stream     *stream // server-sent events
	completion bool    // something that a provider charges for
}

// stream holds events, each with its closing blank line.
type stream struct {
	head, text, tail []string
	failure          func(n int) []string // what the API sends when it fails after n events
}

// complete makes the answer that the request deserves.
func (s *Server) complete(a *ask, q *Request) *completion {
	c := &completion{
		id:           fmt.Sprintf("%024x", q.N),
		created:      time.Now().Unix(),
		model:        a.model,
		finish:       "stop",
		promptTokens: max(1, (len(a.text)+len(a.raw["instructions"]))/4),
	}
	if word, _ := firstWord(a.prompt); word == "echo-system" {
		c.text = a.system
	} else {
		c.text = s.cfg.Reply(a.prompt)
	}
	if a.format != "text" {
		c.text = jsonReply(a, c.text)
	}
	if a.maxTokens > 0 && len(c.text) > 4*a.maxTokens {
		c.text, c.finish = cut(c.text, 4*a.maxTokens), "length"
	}
	c.answerTokens = max(1, len(c.text)/4)
	return c
}

// pieces cuts a text for streaming: words, or longer runs where there would be more than a thousand.
func pieces(text string) []string {
	var out []string
	for size := len(text) / 1000; text != ""; {
		end := len(text)
		if size < end {
			if i := strings.IndexAny(text[size:], " \n"); i >= 0 {
				end = size + i + 1
			}
		}
		out = append(out, text[:end])
		text = text[end:]
	}
	return out
}

// event is one server-sent event with JSON data; name may be empty.
func event(name string, v any) string {
	line := "data: " + string(encode(v, "")) + "\n\n"
	if name != "" {
		line = "event: " + name + "\n" + line
	}
	return line
}

// encode writes JSON as the API does: indented unless indent is empty, no HTML escapes.
func encode(v any, indent string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		panic(err) // our own types always encode
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
