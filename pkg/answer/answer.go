// Package answer decides whether an answer is one that can be used: whole, not
// refused and, where JSON was asked for, JSON that fits the schema.
//
// It stands inside the retries, so that a model that once forgets its schema
// is asked again, and inside the cache, so that what is stored has passed.
package answer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6" // Apache-2.0; all drafts, kept up; loads nothing over the network

	"gptpipe/pkg/llm"
)

// maxMessage is how much is told of a mismatch, in bytes.
const maxMessage = 1000

// What is beyond these is no number that programs calculate with: those of 64 bits
// end at an exponent of 308, and have 17 digits.
const (
	maxExponent = 1000
	maxNumber   = 10_000 // bytes
)

// A Schema is a compiled JSON Schema.
type Schema struct{ compiled *jsonschema.Schema }

// ParseSchema compiles a JSON Schema; name is where it came from, for errors.
// References to other files are resolved from there, references over the
// network are not.
func ParseSchema(name string, data []byte) (*Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: not JSON: %w", name, err)
	}
	if monstrous(doc) {
		return nil, fmt.Errorf("%s: it has a number beyond reason", name)
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	at := (&url.URL{Scheme: "file", Path: path}).String()
	c := jsonschema.NewCompiler()
	if err := c.AddResource(at, doc); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	s, err := c.Compile(at)
	var invalid *jsonschema.SchemaValidationError
	switch {
	case errors.As(err, &invalid):
		return nil, fmt.Errorf("%s: not a JSON Schema: %s", name, oneLine(invalid.Err))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Schema{s}, nil
}

// Check lets usable answers of next through. With wantJSON the text of the
// answer becomes compact JSON, checked against schema if that is not nil. An
// answer that was cut, filtered or refused comes back with its error.
func Check(next llm.Completer, wantJSON bool, schema *Schema) llm.Completer {
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		resp, err := next.Complete(ctx, req)
		if err != nil {
			return resp, err
		}
		if err := resp.Err(); err != nil || !wantJSON || req.Path != "" { // whose body says what it is to be
			return resp, err
		}
		text, err := compact(resp.Text, schema)
		if err != nil {
			return nil, err
		}
		resp.Text = text
		return resp, nil
	})
}

// compact returns the JSON of an answer on one line, its numbers as they were.
func compact(text string, schema *Schema) (string, error) {
	text = unfence(text)
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		e := again(llm.BadResponse, "the answer is not JSON: "+err.Error())
		e.OnceMore = strings.TrimSpace(text) == "" // as where there is no content
		return "", e
	}
	if schema == nil {
		return out.String(), nil
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return "", again(llm.BadResponse, "the answer is not JSON: "+err.Error())
	}
	if monstrous(value) {
		return "", again(llm.Schema, "the answer does not fit the schema: it has a number beyond reason")
	}
	if err := schema.compiled.Validate(value); err != nil {
		return "", again(llm.Schema, "the answer does not fit the schema: "+oneLine(err))
	}
	return out.String(), nil
}

// again is a failure of the model, not of the server: the next attempt need not
// wait.
func again(t llm.Type, message string) *llm.Error {
	return &llm.Error{Type: t, Message: message, Retry: true, HasWait: true}
}

// unfence takes away the Markdown fence that small models put around JSON.
func unfence(text string) string {
	text = strings.TrimSpace(text)
	inner, ok := strings.CutPrefix(text, "```")
	if !ok {
		return text
	}
	inner, ok = strings.CutSuffix(inner, "```")
	if !ok {
		return text
	}
	if len(inner) >= len("json") && strings.EqualFold(inner[:len("json")], "json") {
		return inner[len("json"):]
	}
	return inner
}

// monstrous reports whether a value holds a number that is too much for exact
// arithmetic: jsonschema v6.0.3 panics on 1e999999999, and works for long on
// 1e999999 and on a million digits.
func monstrous(value any) bool {
	switch v := value.(type) {
	case json.Number:
		at := strings.IndexAny(v.String(), "eE")
		if at < 0 || len(v) > maxNumber {
			return len(v) > maxNumber
		}
		n, err := strconv.Atoi(v.String()[at+1:])
		return err != nil || n < -maxExponent || n > maxExponent
	case []any:
		return slices.ContainsFunc(v, monstrous)
	case map[string]any:
		for _, e := range v {
			if monstrous(e) {
				return true
			}
		}
	}
	return false
}

// oneLine is what a validation error says, without its heading and layout, and
// as much of it as anybody reads.
func oneLine(err error) string {
	lines := strings.Split(err.Error(), "\n")
	if len(lines) > 1 {
		lines = lines[1:]
	}
	for i, l := range lines {
		lines[i] = strings.TrimLeft(l, " -")
	}
	text := strings.Join(lines, "; ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + " …"
	}
	return text
}
