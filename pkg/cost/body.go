package cost

import (
	"bytes"
	"fmt"

	"gptpipe/pkg/price"
	"gptpipe/pkg/scan"
)

// A tally is a count under way.
type tally struct {
	*Counter
	Input
	chat bool // there are messages, so that there will be a reply
}

func (t *tally) field(name, value []byte) error {
	if scan.IsNull(value) {
		return nil
	}
	switch string(name) {
	case "messages":
		return scan.Elements(value, t.message)
	case "input":
		return t.input(value)
	case "instructions":
		t.chat = true
		t.around(perMessage + 1) // the role
		return t.text(value, &t.system)
	case "tools", "functions":
		t.hosted(value)
		return t.estimate(value, &t.tools)
	case "response_format", "text":
		if bytes.Contains(value, []byte(`"json_schema"`)) {
			return t.estimate(value, &t.schema)
		}
	case "max_completion_tokens", "max_tokens", "max_output_tokens":
		t.MaxOutput = max(t.MaxOutput, t.number(name, value))
	case "n":
		t.Answers = max(t.Answers, t.number(name, value))
	case "previous_response_id", "conversation", "prompt":
		t.unknown("what %s refers to is on the server", name)
	case "audio", "prediction", "web_search_options":
		t.unknown("%s is charged for by other rules", name)
	}
	return nil
}

// number reads a field that multiplies what an answer can cost.
func (t *tally) number(name, value []byte) int {
	n, ok := scan.Count(value, price.MostTokens)
	if !ok {
		t.unknown("%s is none of the numbers that are reckoned with", name)
	}
	return n
}

// unknown keeps the first reason.
func (t *tally) unknown(format string, args ...any) {
	if t.Unknown == "" {
		t.Unknown = fmt.Sprintf(format, args...)
	}
}

// around adds tokens that stand around texts.
func (t *tally) around(n int) {
	t.Tokens += n
	if !t.documented {
		t.Estimated += n
	}
}

// text adds the tokens of a string; m, if not nil, remembers those of the last.
func (t *tally) text(value []byte, m *memo) error {
	n, err := m.count(t.Counter, value)
	t.Tokens += n
	return err
}

// estimate adds what is given to the model in a form that is not published, by
// its text as JSON.
func (t *tally) estimate(value []byte, m *memo) error {
	n, err := m.count(t.Counter, value)
	t.Tokens += n
	t.Estimated += n
	return err
}

// message counts one of chat completions, or one in the input of responses.
func (t *tally) message(value []byte) error {
	t.chat = true
	t.around(perMessage)
	var role *memo
	return scan.Fields(value, func(name, value []byte) error {
		if scan.IsNull(value) {
			return nil
		}
		switch string(name) {
		case "role":
			if string(value) == `"system"` || string(value) == `"developer"` {
				role = &t.system
			}
			t.Tokens++ // every role is one token, in both encodings
			return nil
		case "content":
			if scan.First(value) == '[' {
				return scan.Elements(value, t.part)
			}
			return t.text(value, role)
		case "name":
			t.around(perName)
			return t.text(value, nil)
		case "type", "id", "status":
			return nil
		}
		return t.estimate(value, nil) // calls of tools, and their results
	})
}

// part counts a part of a message: text or an image.
func (t *tally) part(value []byte) error {
	var kind string
	var text, source, detail []byte
	err := scan.Fields(value, func(name, value []byte) error {
		switch string(name) {
		case "type":
			kind = string(value)
		case "text", "refusal":
			text = value
		case "image_url", "file_id":
			source = value
		case "detail":
			detail = value
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch kind {
	case `"text"`, `"input_text"`, `"output_text"`, `"refusal"`:
		return t.text(text, nil)
	case `"image_url"`, `"input_image"`:
		return t.image(source, detail)
	}
	t.unknown("there is no rule for a part of type %s", kind)
	return nil
}

// input counts the input of responses or of embeddings.
func (t *tally) input(value []byte) error {
	if scan.First(value) != '[' {
		if !t.embeds {
			t.chat = true
			t.around(perMessage + 1) // the role
		}
		return t.text(value, nil)
	}
	return scan.Elements(value, t.item)
}

func (t *tally) item(value []byte) error {
	switch scan.First(value) {
	case '"':
		return t.text(value, nil) // a text to embed
	case '[':
		return scan.Elements(value, t.token)
	case '{':
	default:
		return t.token(value)
	}
	isMessage := false
	err := scan.Fields(value, func(name, value []byte) error {
		isMessage = isMessage || string(name) == "role"
		if string(name) == "type" && string(value) == `"item_reference"` {
			t.unknown("an item_reference is on the server")
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case isMessage:
		return t.message(value)
	}
	t.chat = true
	return t.estimate(value, nil)
}

// token counts one to embed that is given by its number.
func (t *tally) token([]byte) error {
	t.Tokens++
	return nil
}

// hosted looks for tools that run at the provider's and cost beside their tokens.
func (t *tally) hosted(tools []byte) {
	_ = scan.Elements(tools, func(tool []byte) error { // functions have no type
		return scan.Fields(tool, func(name, value []byte) error {
			if string(name) == "type" && string(value) != `"function"` && string(value) != `"custom"` {
				t.unknown("the tool %s is charged for beside its tokens", value)
			}
			return nil
		})
	})
}
