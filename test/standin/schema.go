package standin

import (
	"encoding/json"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
)

// schema is a JSON Schema of the kind that structured output allows, as far as it is a simple one: types, properties,
// items, enum, const, anyOf and references into $defs.
type schema map[string]any

// jsonReply is the model's answer when JSON was asked for: its text, if that is an object already (echo); else one object
// that says the text, or one that fits the schema and says the text in its strings.
func jsonReply(a *ask, text string) string {
	var object map[string]any
	switch {
	case json.Unmarshal([]byte(text), &object) == nil && object != nil:
		return text
	case a.schema == nil:
		return string(encode(map[string]string{"answer": text}, ""))
	}
	return string(encode(a.schema.fill(a.schema, text), ""))
}

// fill makes a value that fits s, a part of root.
func (root schema) fill(s schema, text string) any {
	h := fnv.New32a()
	h.Write([]byte(text))
	pick := int(h.Sum32() >> 1)
	if ref, ok := s["$ref"].(string); ok {
		return root.fill(root.resolve(ref), text)
	}
	if v, ok := s["const"]; ok {
		return v
	}
	if values, ok := s["enum"].([]any); ok && len(values) > 0 {
		return values[pick%len(values)]
	}
	if any, ok := s["anyOf"].([]any); ok && len(any) > 0 {
		return root.fill(asSchema(any[0]), text)
	}
	switch s.kind() {
	case "string":
		if most, ok := s["maxLength"].(float64); ok {
			return cut(text, int(most))
		}
		return text
	case "integer", "number":
		return s.clamp(float64(pick % 100))
	case "boolean":
		return pick%2 == 0
	case "array":
		n := 1
		if least, ok := s["minItems"].(float64); ok {
			n = max(n, int(least))
		}
		items := make([]any, n)
		for i := range items {
			items[i] = root.fill(asSchema(s["items"]), text)
		}
		return items
	case "object":
		object := map[string]any{}
		for name, property := range asSchema(s["properties"]) {
			object[name] = root.fill(asSchema(property), text)
		}
		return object
	}
	return nil
}

// wrong makes an object like the one that fits s, with values that no property of a simple schema takes.
func (s schema) wrong() map[string]any {
	object := map[string]any{"unexpected": true}
	for name, property := range asSchema(s["properties"]) {
		if asSchema(property).kind() == "array" {
			object[name] = "wrong"
		} else {
			object[name] = []any{nil}
		}
	}
	return object
}

// kind is the type, or the first of several.
func (s schema) kind() string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		if len(t) > 0 {
			first, _ := t[0].(string)
			return first
		}
	}
	if s["properties"] != nil {
		return "object"
	}
	return ""
}

func (s schema) clamp(n float64) float64 {
	if least, ok := s["minimum"].(float64); ok {
		n = max(n, least)
	}
	if most, ok := s["maximum"].(float64); ok {
		n = min(n, most)
	}
	return n
}

// resolve finds "#" or "#/$defs/NAME".
func (root schema) resolve(ref string) schema {
	s := root
	for _, name := range strings.Split(strings.TrimPrefix(strings.TrimPrefix(ref, "#"), "/"), "/") {
		if name != "" {
			s = asSchema(s[name])
		}
	}
	return s
}

func asSchema(v any) schema {
	m, _ := v.(map[string]any)
	return m
}

// strict returns what structured output refuses about a schema that claims to be strict, or "".
func (s schema) strict(context string) string {
	if properties := asSchema(s["properties"]); s.kind() == "object" {
		if s["additionalProperties"] != false {
			return "In context=(" + context + "), 'additionalProperties' is required to be supplied and to be false."
		}
		required, _ := s["required"].([]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if !slices.Contains(required, any(name)) {
				return "In context=(" + context + "), 'required' is required to be supplied and to be an array including every key in properties. Missing '" + name + "'."
			}
			if e := asSchema(properties[name]).strict(context + "'properties', '" + name + "'"); e != "" {
				return e
			}
		}
	}
	if s.kind() == "array" {
		return asSchema(s["items"]).strict(context + "'items'")
	}
	return ""
}
