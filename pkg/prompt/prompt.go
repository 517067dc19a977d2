// Package prompt makes the question for a record: a text that the record's
// current value follows, or a Go text/template over its fields.
//
// In a template {{.name}} is a field of the record; one that is missing is an
// error. Strings stand as they are, anything else prints as JSON. Objects and
// arrays can be walked ({{.meta.title}}, {{range .items}}), numbers compared.
// {{json .name}} prints a value as JSON, a string in its quotes.
package prompt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template"

	"gptpipe/pkg/record"
)

// A Prompt makes questions of records. It is safe for concurrent use.
type Prompt struct {
	text string // when there is no template
	tmpl *template.Template
}

// Parse reads a prompt: a template if it contains "{{".
func Parse(text string) (*Prompt, error) {
	if !strings.Contains(text, "{{") {
		return &Prompt{text: text}, nil
	}
	t, err := template.New("prompt").
		Option("missingkey=error").
		Funcs(template.FuncMap{"json": func(v any) (string, error) { b, err := marshal(v); return string(b), err }}).
		Parse(text)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	return &Prompt{tmpl: t}, nil
}

// IsTemplate reports whether the prompt names the fields it wants, so that the
// current value is not added.
func (p *Prompt) IsTemplate() bool { return p.tmpl != nil }

// Make is the question for a record whose current value is the field called
// in.
func (p *Prompt) Make(r *record.Record, in string) (string, error) {
	if p.tmpl == nil {
		value, ok := r.Text(in)
		if !ok {
			return "", fmt.Errorf("the record has no field %q", in)
		}
		if p.text == "" {
			return value, nil
		}
		return p.text + "\n\n" + value, nil
	}
	fields := object{}
	var err error
	r.Each(func(name string, value []byte) bool {
		fields[name], err = decode(value)
		return err == nil
	})
	if err != nil {
		return "", err
	}
	var out strings.Builder
	if err := p.tmpl.Execute(&out, fields); err != nil {
		var exec template.ExecError
		if errors.As(err, &exec) {
			return "", plainWords(exec)
		}
		return "", err
	}
	return out.String(), nil
}

// plainWords is a template's error without the layers of its origin:
// template: prompt:1:2: executing "prompt" at <.x>: map has no entry for key "x".
func plainWords(err template.ExecError) error {
	text := strings.TrimPrefix(err.Error(), "template: ")
	if _, key, ok := strings.Cut(text, "map has no entry for key "); ok {
		return fmt.Errorf("the record has no field %s", key)
	}
	return errors.New(text)
}

// The types below print as JSON where a template prints them.
type (
	object map[string]any
	array  []any
	null   []struct{} // empty, so that {{if}} takes it as false
)

func (o object) String() string { b, _ := marshal(o); return string(b) }
func (a array) String() string  { b, _ := marshal(a); return string(b) }
func (null) String() string     { return "null" }

func (null) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

func marshal(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// decode turns raw JSON into what a template works on.
func decode(raw []byte) (any, error) {
	if raw[0] == '"' {
		return record.Text(raw), nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return convert(v), nil
}

func convert(v any) any {
	switch v := v.(type) {
	case nil:
		return null(nil)
	case json.Number:
		return number(v)
	case map[string]any:
		for k, e := range v {
			v[k] = convert(e)
		}
		return object(v)
	case []any:
		for i, e := range v {
			v[i] = convert(e)
		}
		return array(v)
	}
	return v
}

// number is a Go number where that prints the digits of the input, so that it
// can be compared; else the digits.
func number(n json.Number) any {
	if i, err := n.Int64(); err == nil && strconv.FormatInt(i, 10) == n.String() {
		return i
	}
	if f, err := n.Float64(); err == nil && fmt.Sprint(f) == n.String() {
		return f
	}
	return n
}
