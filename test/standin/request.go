package standin

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

// decode reads a JSON object whose fields are all known into v and, as it is, into a.raw.
func (a *ask) decode(body []byte, known []string, v any, unknown func(name string) *apiError) *apiError {
	if err := json.Unmarshal(body, &a.raw); err != nil || a.raw == nil {
		return notJSON()
	}
	for _, name := range slices.Sorted(maps.Keys(a.raw)) {
		if !slices.Contains(known, name) {
			return unknown(name)
		}
	}
	if err := json.Unmarshal(body, v); err != nil {
		if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return invalid(e.Field, "invalid_type", "Invalid type for '%s': expected %s, but got %s instead.", e.Field, e.Type, e.Value)
		}
		return invalid("", "invalid_type", "Invalid request: %s", err)
	}
	return nil
}

// outputFormat is response_format of chat completions, and text.format of responses, which has no json_schema object.
type outputFormat struct {
	Type       string      `json:"type"`
	JSONSchema *jsonSchema `json:"json_schema"`
	jsonSchema
}

type jsonSchema struct {
	Name   string `json:"name"`
	Schema schema `json:"schema"`
	Strict bool   `json:"strict"`
}

// setFormat judges the format that was asked for; param is where it stands in the request, input the name of the messages.
func (a *ask) setFormat(f outputFormat, param, input string) *apiError {
	a.format = f.Type
	switch f.Type {
	case "", "text":
		a.format = "text"
		return nil
	case "json_object":
		if strings.Contains(strings.ToLower(a.text), "json") {
			return nil
		}
		if input == "messages" {
			return invalid(input, "", "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.")
		}
		return invalid(input, "", "Response input messages must contain the word 'json' in some form to use 'text.format' of type 'json_object'.")
	case "json_schema":
		s, where := f.jsonSchema, param
		if input == "messages" {
			where += ".json_schema"
			if f.JSONSchema == nil {
				return invalid(where, "missing_required_parameter", "Missing required parameter: '%s'.", where)
			}
			s = *f.JSONSchema
		}
		return a.setSchema(s, param, where)
	}
	return invalid(param+".type", "invalid_value", "Invalid value: '%s'. Supported values are: 'json_object', 'json_schema', and 'text'.", f.Type)
}

func (a *ask) setSchema(s jsonSchema, param, where string) *apiError {
	if s.Name == "" {
		return invalid(where+".name", "missing_required_parameter", "Missing required parameter: '%s.name'.", where)
	}
	name := strings.TrimFunc(s.Name, func(r rune) bool {
		return r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	})
	if name != "" {
		return invalid(where+".name", "invalid_value", "Invalid '%s.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", where)
	}
	if s.Strict {
		e := s.Schema.strict("")
		if s.Schema.kind() != "object" {
			e = "schema must be a JSON Schema of 'type: \"object\"', got 'type: \"" + s.Schema.kind() + "\"'."
		}
		if e != "" {
			return invalid(param, "invalid_json_schema", "Invalid schema for %s '%s': %s", param, s.Name, e)
		}
	}
	a.schema = s.Schema
	return nil
}

// setLimit judges the most tokens that the answer may have; least is the smallest number the API takes.
func (a *ask) setLimit(param string, n *int, least int) *apiError {
	switch {
	case n == nil:
		return nil
	case *n < least:
		return invalid(param, "integer_below_min_value", "Invalid '%s': integer below minimum value. Expected a value >= %d, but got %d instead.", param, least, *n)
	}
	a.maxTokens = *n
	return nil
}

func checkTemperature(t *float64) *apiError {
	switch {
	case t == nil:
		return nil
	case *t > 2:
		return invalid("temperature", "decimal_above_max_value", "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got %v instead.", *t)
	case *t < 0:
		return invalid("temperature", "decimal_below_min_value", "Invalid 'temperature': decimal below minimum value. Expected a value >= 0, but got %v instead.", *t)
	}
	return nil
}

// first returns the first of several objections.
func first(objections ...*apiError) *apiError {
	for _, e := range objections {
		if e != nil {
			return e
		}
	}
	return nil
}
