package standin

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// A validator that nobody here wrote says whether the answers fit, and whether those that must not fit do not.
func TestSchemas(t *testing.T) {
	for _, text := range []string{
		`{"type":"object","properties":{"s":{"type":"string"},"i":{"type":"integer"},"n":{"type":"number"},"b":{"type":"boolean"}},"required":["s","i","n","b"],"additionalProperties":false}`,
		`{"type":"object","properties":{"l":{"type":"array","items":{"type":"object","properties":{"e":{"type":"string","enum":["x","y"]}},"required":["e"],"additionalProperties":false},"minItems":2}},"required":["l"],"additionalProperties":false}`,
		`{"type":"object","properties":{"n":{"type":["integer","null"],"minimum":200},"m":{"type":"number","maximum":-1},"c":{"const":7},"a":{"anyOf":[{"type":"string","maxLength":3},{"type":"null"}]}},"required":["n","m","c","a"],"additionalProperties":false}`,
		`{"type":"object","properties":{"kids":{"type":"array","items":{"$ref":"#/$defs/kid"}}},"required":["kids"],"additionalProperties":false,"$defs":{"kid":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"],"additionalProperties":false}}}`,
	} {
		raw, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource("s.json", raw); err != nil {
			t.Fatal(err)
		}
		compiled := compiler.MustCompile("s.json")
		s := start(t, Config{Faults: MustFaults("after=2:schema-mismatch")})
		chatBody := strings.TrimSuffix(chat("Describe it."), "}") + `,"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":` + text + `}}}`
		responsesBody := `{"model":"m","input":"Describe it.","text":{"format":{"type":"json_schema","name":"x","strict":true,"schema":` + text + `}}}`
		for i, request := range []struct{ path, body string }{
			{"/chat/completions", chatBody}, {"/responses", responsesBody},
			{"/chat/completions", chatBody}, {"/responses", responsesBody},
		} {
			g := post(t, s, request.path, request.body)
			var answer struct {
				Choices []struct{ Message struct{ Content string } }
				Output  []struct{ Content []struct{ Text string } }
			}
			if err := json.Unmarshal([]byte(g.body), &answer); err != nil || g.status != 200 {
				t.Fatalf("status %d, error %v: %s", g.status, err, g.body)
			}
			content := ""
			if len(answer.Choices) > 0 {
				content = answer.Choices[0].Message.Content
			} else {
				content = answer.Output[0].Content[0].Text
			}
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(content))
			if err != nil {
				t.Fatalf("%v: %s", err, content)
			}
			if err := compiled.Validate(value); (err == nil) != (i < 2) {
				t.Errorf("request %d: %s for %s: %v", i, content, text, err)
			}
		}
	}
}

func TestJSONMode(t *testing.T) {
	s := start(t, Config{})
	for prompt, want := range map[string]string{
		"Sum up as JSON.\n\nOne. Two.":    `"content": "{\"answer\":\"[stand-in] One.\"}"`,
		`echo {"json": [1.50, "kept"]}`:   `"content": "{\"json\": [1.50, \"kept\"]}"`,
		`echo "a JSON string, no object"`: `"content": "{\"answer\":\"\\\"a JSON string, no object\\\"\"}"`,
	} {
		g := post(t, s, "/chat/completions", strings.TrimSuffix(chat(prompt), "}")+`,"response_format":{"type":"json_object"}}`)
		contains(t, prompt, g.body, want)
	}
}
