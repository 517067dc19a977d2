package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
)

// Encode makes the body of a request for api. The same prompt gives the same
// bytes always, for they are part of the cache key: fields stand in a fixed
// order, options behind them sorted by name; an option that names a field of
// the prompt takes its place.
func Encode(api string, p *llm.Prompt) ([]byte, error) {
	f := formatOf(api)
	if p.Seed != nil && f.noSeed {
		return nil, fmt.Errorf("the %s API knows no seed", api)
	}
	options := slices.Clone(p.Options)
	slices.SortFunc(options, func(a, b llm.Option) int { return strings.Compare(a.Key, b.Key) })

	b := &body{options: options}
	b.field("model", record.AppendString(nil, p.Model))
	f.prompt(b, p)
	if p.Temperature != nil {
		b.field("temperature", strconv.AppendFloat(nil, *p.Temperature, 'g', -1, 64))
	}
	if p.MaxTokens > 0 {
		b.field(f.maxTokens, strconv.AppendInt(nil, int64(p.MaxTokens), 10))
	}
	if p.Seed != nil {
		b.field("seed", strconv.AppendInt(nil, *p.Seed, 10))
	}
	f.answerFormat(b, p)
	for _, o := range options {
		b.append(o.Key, o.Value)
	}
	return append(b.out, '}'), nil
}

// A body is a JSON object that grows field by field.
type body struct {
	out     []byte
	options []llm.Option
}

// field adds a field, unless an option will.
func (b *body) field(name string, value []byte) {
	if !slices.ContainsFunc(b.options, func(o llm.Option) bool { return o.Key == name }) {
		b.append(name, value)
	}
}

func (b *body) append(name string, value []byte) {
	c := byte(',')
	if b.out == nil {
		c = '{'
	}
	b.out = append(b.out, c)
	b.out = record.AppendString(b.out, name)
	b.out = append(b.out, ':')
	b.out = append(b.out, value...)
}

// messages appends turns as chat completions and responses both take them,
// but for the names of the parts.
func messages(turns []llm.Message, parts func(out []byte, m *llm.Message) []byte) []byte {
	out := []byte{'['}
	for i := range turns {
		m := &turns[i]
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"role":`...)
		out = record.AppendString(out, m.Role)
		out = append(out, `,"content":`...)
		if len(m.Images) == 0 {
			out = record.AppendString(out, m.Content)
		} else {
			out = parts(out, m)
		}
		out = append(out, '}')
	}
	return append(out, ']')
}

// withJSONWord returns the turns with a system message in front that asks for
// JSON, if p wants it and nothing in them does: the API refuses JSON mode
// without the word.
func withJSONWord(turns []llm.Message, p *llm.Prompt) []llm.Message {
	if !p.JSON || p.Schema != nil {
		return turns
	}
	for _, m := range turns {
		if containsFold(m.Content, "json") {
			return turns
		}
	}
	return append([]llm.Message{{Role: "system", Content: "Answer in JSON."}}, turns...)
}

// containsFold reports whether text contains the lower-case ASCII word in
// whatever case, without a copy of text.
func containsFold(text, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		if text[i]|0x20 == word[0] && strings.EqualFold(text[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

// schemaName is the name that structured output asks for: the schema's title
// as far as the API allows its characters, else "answer".
func schemaName(schema json.RawMessage) string {
	var s struct{ Title string }
	_ = json.Unmarshal(schema, &s) // a schema of true or false has no title
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '_', r == '-':
			return r
		case r == ' ':
			return '_'
		}
		return -1
	}, s.Title)
	if name == "" {
		return "answer"
	}
	return name[:min(len(name), 64)]
}

// splice puts fields, which begin with a comma, before the final brace.
func splice(body []byte, fields string) []byte {
	end := bytes.LastIndexByte(body, '}')
	out := make([]byte, 0, len(body)+len(fields))
	out = append(out, body[:end]...)
	out = append(out, fields...)
	return append(out, '}')
}
