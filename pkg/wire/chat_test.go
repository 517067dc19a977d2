package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// What parseChat reads, encoding/json reads the same, and what one refuses the
// other does. It is not asked of names that differ from ours by case or come
// twice, nor of what is no UTF-8.
func FuzzParseChat(f *testing.F) {
	for _, seed := range []string{
		`{"id":"c","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a\u00fc\n\ud83d\ude00","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3}}`,
		`{"choices":[{"index":1,"delta":{"content":[{"type":"text","text":"a"},{"text":"b"},{"x":[]},null],"tool_calls":[{}]}},{},null]}`,
		` {"error" : {"message":"x"}, "choices":null,"usage":null,"model":null } `,
		`{"choices":[{"message":{"content":7}}]}`, `{"choices":{}}`, `{"model":[]}`, `[]`, `null`, `"a"`, ``, ` `, `{`, `{"choices":[{"index":1.5}]}`,
		`{"choices":[{"message":{"content":"","tool_calls":[]}}]}`, `{"choices":[{"message":{"tool_calls" : [ ],"function_call":{},"audio":{"id":"a"}}}]}`, `{"mod\u0065l":"m"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var want reference
		wantErr := json.Unmarshal(data, &want)
		got, err := parseChat(data, "message")
		if unlike(data) {
			return
		}
		if (err != nil) != (wantErr != nil) {
			t.Fatalf("%q: %v, encoding/json says %v", data, err, wantErr)
		}
		if err != nil {
			return
		}
		if got.model != want.Model || string(got.usage) != string(null(want.Usage)) || string(got.fault) != string(null(want.Error)) || len(got.choices) != len(want.Choices) {
			t.Fatalf("%q: %+v, encoding/json reads %+v", data, got, want)
		}
		for i, w := range want.Choices {
			m := w.Message
			c := chatChoice{int(w.Index), m.Content.text, m.Content.set, m.Refusal, "", w.FinishReason}
			switch {
			case present(m.ToolCalls) || present(m.FunctionCall):
				c.other = "a tool call"
			case present(m.Audio):
				c.other = "audio"
			}
			if !reflect.DeepEqual(got.choices[i], c) {
				t.Fatalf("%q: %+v, encoding/json reads %+v", data, got.choices[i], c)
			}
		}
	})
}

type reference struct {
	Model   string          `json:"model"`
	Usage   json.RawMessage `json:"usage"`
	Error   json.RawMessage `json:"error"`
	Choices []struct {
		Index   float64 `json:"index"`
		Message struct {
			Content      referenceContent `json:"content"`
			Refusal      string           `json:"refusal"`
			ToolCalls    json.RawMessage  `json:"tool_calls"`
			FunctionCall json.RawMessage  `json:"function_call"`
			Audio        json.RawMessage  `json:"audio"`
		} `json:"message"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
}

type referenceContent struct {
	text string
	set  bool
}

func (c *referenceContent) UnmarshalJSON(data []byte) error {
	c.set = string(data) != "null"
	if data[0] != '[' {
		return json.Unmarshal(data, &c.text)
	}
	var parts []struct{ Text string }
	err := json.Unmarshal(data, &parts)
	for _, p := range parts {
		c.text += p.Text
	}
	return err
}

func null(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

// unlike reports what the two do not read the same: invalid UTF-8, and objects
// with a name twice, in either case of its letters.
func unlike(data []byte) bool {
	if !bytes.Equal(data, bytes.ToValidUTF8(data, nil)) {
		return true
	}
	d := json.NewDecoder(bytes.NewReader(data))
	var names []map[string]bool // of the objects that are open; nil: an array
	name := false
	for {
		token, err := d.Token()
		if err != nil {
			return false
		}
		inObject := len(names) > 0 && names[len(names)-1] != nil
		switch v := token.(type) {
		case json.Delim:
			switch v {
			case '{', '[':
				var seen map[string]bool
				if v == '{' {
					seen = map[string]bool{}
				}
				names, name = append(names, seen), true
				continue
			}
			names = names[:len(names)-1]
		case string:
			if inObject && name {
				seen := names[len(names)-1]
				fold := strings.ToLower(strings.ToUpper(v))
				if seen[fold] || fold != v {
					return true
				}
				seen[fold], name = true, false
				continue
			}
		}
		name = true
	}
}
