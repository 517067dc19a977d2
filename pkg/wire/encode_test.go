package wire

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	oresponses "github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"gptpipe/pkg/llm"
	"gptpipe/test/standin"
)

const (
	image  = "data:image/png;base64,iVBORw0KGgo="
	schema = `{"type":"object","title":"A Person","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0}},"required":["name","age"],"additionalProperties":false}`
)

func to[T any](v T) *T { return &v }

func schemaMap(t *testing.T) map[string]any {
	t.Helper()
	m := map[string]any{}
	if err := json.Unmarshal([]byte(schema), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func user(text string) llm.Message { return llm.Message{Role: "user", Content: text} }

// sameAsOfficial are prompts and the parameters that mean the same to the
// official client.
var sameAsOfficial = []struct {
	name      string
	prompt    llm.Prompt
	chat      func(t *testing.T, p *openai.ChatCompletionNewParams)
	responses func(t *testing.T, p *oresponses.ResponseNewParams)
}{
	{
		name:      "a question alone",
		prompt:    llm.Prompt{Messages: []llm.Message{user("Why?\n\"quoted\" <b> & \u2028 \\ ü 数字 \x00\x1f\U0001F600")}},
		chat:      func(*testing.T, *openai.ChatCompletionNewParams) {},
		responses: func(*testing.T, *oresponses.ResponseNewParams) {},
	},
	{
		name:   "numbers of every size",
		prompt: llm.Prompt{Messages: []llm.Message{user("hi")}, Params: llm.Params{Temperature: to(0.1), MaxTokens: 128000}},
		chat: func(_ *testing.T, p *openai.ChatCompletionNewParams) {
			p.Temperature, p.MaxCompletionTokens = openai.Float(0.1), openai.Int(128000)
		},
		responses: func(_ *testing.T, p *oresponses.ResponseNewParams) {
			p.Temperature, p.MaxOutputTokens = openai.Float(0.1), openai.Int(128000)
		},
	},
	{
		name:      "temperature zero is sent",
		prompt:    llm.Prompt{Messages: []llm.Message{user("hi")}, Params: llm.Params{Temperature: to(0.0)}},
		chat:      func(_ *testing.T, p *openai.ChatCompletionNewParams) { p.Temperature = openai.Float(0) },
		responses: func(_ *testing.T, p *oresponses.ResponseNewParams) { p.Temperature = openai.Float(0) },
	},
	{
		name:   "a temperature with an exponent",
		prompt: llm.Prompt{Messages: []llm.Message{user("hi")}, Params: llm.Params{Temperature: to(1e-7)}},
		chat:   func(_ *testing.T, p *openai.ChatCompletionNewParams) { p.Temperature = openai.Float(1e-7) },
		responses: func(_ *testing.T, p *oresponses.ResponseNewParams) {
			p.Temperature = openai.Float(1e-7)
		},
	},
	{
		name:   "seed zero is sent",
		prompt: llm.Prompt{Messages: []llm.Message{user("hi")}, Params: llm.Params{Seed: to(int64(0))}},
		chat:   func(_ *testing.T, p *openai.ChatCompletionNewParams) { p.Seed = openai.Int(0) },
	},
	{
		name:   "a seed that no float holds",
		prompt: llm.Prompt{Messages: []llm.Message{user("hi")}, Params: llm.Params{Seed: to(int64(-9007199254740993))}},
		chat:   func(_ *testing.T, p *openai.ChatCompletionNewParams) { p.Seed = openai.Int(-9007199254740993) },
	},
	{
		name:   "JSON mode",
		prompt: llm.Prompt{Messages: []llm.Message{user("hi, as Json")}, Params: llm.Params{JSON: true}},
		chat: func(_ *testing.T, p *openai.ChatCompletionNewParams) {
			p.ResponseFormat.OfJSONObject = &shared.ResponseFormatJSONObjectParam{}
		},
		responses: func(_ *testing.T, p *oresponses.ResponseNewParams) {
			p.Text.Format.OfJSONObject = &shared.ResponseFormatJSONObjectParam{}
		},
	},
	{
		name:   "a schema, strict",
		prompt: llm.Prompt{Messages: []llm.Message{user("hi")}, Params: llm.Params{JSON: true, Schema: json.RawMessage(schema)}},
		chat: func(t *testing.T, p *openai.ChatCompletionNewParams) {
			p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
				Name: "A_Person", Schema: schemaMap(t), Strict: openai.Bool(true),
			}}
		},
		responses: func(t *testing.T, p *oresponses.ResponseNewParams) {
			p.Text.Format = oresponses.ResponseFormatTextConfigParamOfJSONSchema("A_Person", schemaMap(t))
			p.Text.Format.OfJSONSchema.Strict = openai.Bool(true)
		},
	},
	{
		name: "options reach fields that no flag knows",
		prompt: llm.Prompt{Messages: []llm.Message{user("hi")}, Params: llm.Params{Options: []llm.Option{
			{Key: "top_p", Value: json.RawMessage(`0.5`)},
			{Key: "metadata", Value: json.RawMessage(`{"a":"b"}`)},
		}}},
		chat: func(_ *testing.T, p *openai.ChatCompletionNewParams) {
			p.TopP, p.Metadata = openai.Float(0.5), shared.Metadata{"a": "b"}
		},
		responses: func(_ *testing.T, p *oresponses.ResponseNewParams) {
			p.TopP, p.Metadata = openai.Float(0.5), shared.Metadata{"a": "b"}
		},
	},
	{
		name: "an option takes the place of a parameter",
		prompt: llm.Prompt{Messages: []llm.Message{user("hi")}, Params: llm.Params{Temperature: to(1.0), Options: []llm.Option{
			{Key: "temperature", Value: json.RawMessage(`0.25`)},
			{Key: "store", Value: json.RawMessage(`true`)},
		}}},
		chat: func(_ *testing.T, p *openai.ChatCompletionNewParams) {
			p.Temperature, p.Store = openai.Float(0.25), openai.Bool(true)
		},
		responses: func(_ *testing.T, p *oresponses.ResponseNewParams) {
			p.Temperature, p.Store = openai.Float(0.25), openai.Bool(true)
		},
	},
	{
		name: "a conversation with a system message and an image",
		prompt: llm.Prompt{Messages: []llm.Message{
			{Role: "system", Content: "Be brief."},
			user("hello"),
			{Role: "assistant", Content: "Hello!"},
			{Role: "user", Content: "What is this?", Images: []string{image, image}},
		}},
		chat: func(_ *testing.T, p *openai.ChatCompletionNewParams) {
			picture := openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: image})
			p.Messages = []openai.ChatCompletionMessageParamUnion{
				openai.SystemMessage("Be brief."),
				openai.UserMessage("hello"),
				openai.AssistantMessage("Hello!"),
				openai.UserMessage([]openai.ChatCompletionContentPartUnionParam{openai.TextContentPart("What is this?"), picture, picture}),
			}
		},
		responses: func(_ *testing.T, p *oresponses.ResponseNewParams) {
			picture := oresponses.ResponseInputContentUnionParam{OfInputImage: &oresponses.ResponseInputImageParam{ImageURL: openai.String(image)}}
			p.Instructions = openai.String("Be brief.")
			p.Input.OfInputItemList = oresponses.ResponseInputParam{
				oresponses.ResponseInputItemParamOfMessage("hello", "user"),
				oresponses.ResponseInputItemParamOfMessage("Hello!", "assistant"),
				oresponses.ResponseInputItemParamOfMessage(oresponses.ResponseInputMessageContentListParam{
					oresponses.ResponseInputContentParamOfInputText("What is this?"), picture, picture,
				}, "user"),
			}
		},
	},
}

// The real counterpart: what the official client sends for the same
// parameters, as a server sees it.
func TestBodiesAreThoseOfTheOfficialClient(t *testing.T) {
	for _, test := range sameAsOfficial {
		t.Run(test.name, func(t *testing.T) {
			apis := []string{"chat"}
			if test.responses != nil { // else that API has no such parameter
				apis = append(apis, "responses")
			}
			eachWayOf(t, apis, func(t *testing.T, api string, stream bool) {
				s := start(t, standin.Config{})
				official := openai.NewClient(option.WithBaseURL(s.URL()), option.WithAPIKey(testKey), option.WithMaxRetries(0))
				text := test.prompt.Messages[0].Content
				switch {
				case api == "chat":
					p := openai.ChatCompletionNewParams{Model: "gpt-test", Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(text)}}
					test.chat(t, &p)
					if stream {
						p.StreamOptions.IncludeUsage = openai.Bool(true)
						official.Chat.Completions.NewStreaming(t.Context(), p).Close()
					} else if _, err := official.Chat.Completions.New(t.Context(), p); err != nil {
						t.Fatal(err)
					}
				default:
					p := oresponses.ResponseNewParams{Model: "gpt-test", Store: openai.Bool(false)}
					p.Input.OfInputItemList = oresponses.ResponseInputParam{oresponses.ResponseInputItemParamOfMessage(text, "user")}
					test.responses(t, &p)
					if stream {
						official.Responses.NewStreaming(t.Context(), p).Close()
					} else if _, err := official.Responses.New(t.Context(), p); err != nil {
						t.Fatal(err)
					}
				}

				prompt := test.prompt
				prompt.Model = "gpt-test"
				body, err := Encode(api, &prompt)
				if err != nil {
					t.Fatal(err)
				}
				req := &llm.Request{Body: body}
				if stream {
					req.OnDelta = func(string) {}
				}
				if _, err := newClient(t, s.URL(), speaking(api)).Complete(t.Context(), req); err != nil {
					t.Errorf("the server refused it: %v", err)
				}
				sent := s.Requests()
				want, got := sent[0], sent[1]
				if got.Method != want.Method || got.Path != want.Path {
					t.Errorf("%s %s, the official client %s %s", got.Method, got.Path, want.Method, want.Path)
				}
				for _, name := range []string{"Content-Type", "Authorization"} {
					if got.Header.Get(name) != want.Header.Get(name) {
						t.Errorf("%s: %q, the official client %q", name, got.Header.Get(name), want.Header.Get(name))
					}
				}
				sameJSON(t, got.Body, want.Body)
			})
		})
	}
}

// What we send, read by the types of the official client and written again,
// says the same: they know every field of it.
func TestBodiesFitTheOfficialTypes(t *testing.T) {
	for _, test := range sameAsOfficial {
		t.Run(test.name, func(t *testing.T) {
			prompt := test.prompt
			prompt.Model = "gpt-test"
			body, err := Encode("chat", &prompt)
			if err != nil {
				t.Fatal(err)
			}
			var chat openai.ChatCompletionNewParams
			roundTrip(t, body, &chat)
			if test.responses == nil {
				return
			}
			if body, err = Encode("responses", &prompt); err != nil {
				t.Fatal(err)
			}
			// The type of a message may be left out, and the official client
			// leaves it out itself; its own reader cannot do without.
			typed := bytes.ReplaceAll(body, []byte(`{"role":`), []byte(`{"type":"message","role":`))
			var resp oresponses.ResponseNewParams
			roundTrip(t, typed, &resp)
		})
	}
}

func roundTrip(t *testing.T, body []byte, v any) {
	t.Helper()
	if err := json.Unmarshal(body, v); err != nil {
		t.Fatalf("%v\n%s", err, body)
	}
	again, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, string(again), string(body))
}

// sameJSON compares two texts as JSON values, numbers by their digits.
func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	if g, w := value(t, got), value(t, want); !reflect.DeepEqual(g, w) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func value(t *testing.T, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return exact(v)
}

// exact makes one spelling of a number of all that mean the same.
func exact(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && strings.ContainsAny(v.String(), ".eE") {
			return f
		}
	case map[string]any:
		for k, e := range v {
			v[k] = exact(e)
		}
	case []any:
		for i, e := range v {
			v[i] = exact(e)
		}
	}
	return v
}

// The cache key is made of these bytes: neither the order of options nor a
// second run may change them.
func TestBodyIsCanonical(t *testing.T) {
	a, b := llm.Option{Key: "top_p", Value: json.RawMessage(`1`)}, llm.Option{Key: "n", Value: json.RawMessage(`1`)}
	prompt := func(options ...llm.Option) *llm.Prompt {
		return &llm.Prompt{Messages: []llm.Message{user("hi")}, Params: llm.Params{Model: "m", Seed: to(int64(1)), MaxTokens: 5, Options: options}}
	}
	one, err := Encode("chat", prompt(a, b))
	if err != nil {
		t.Fatal(err)
	}
	given := []llm.Option{b, a}
	two, err := Encode("chat", prompt(given...))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one, two) {
		t.Errorf("%s\n%s", one, two)
	}
	if given[0].Key != "n" {
		t.Error("the options of the caller were sorted in place")
	}
	if want := `{"model":"m","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":5,"seed":1,"n":1,"top_p":1}`; string(one) != want {
		t.Errorf("%s, want %s", one, want)
	}
}

// In JSON mode the API insists on the word JSON, and the responses API does not
// look for it in the instructions.
func TestJSONModeAlwaysHasTheWord(t *testing.T) {
	for name, turns := range map[string][]llm.Message{
		"nowhere":                    {user("List three colours.")},
		"in the question":            {user("List three colours, as a json array.")},
		"in capitals":                {user("JSON please")},
		"in the system message":      {{Role: "system", Content: "Answer in JSON."}, user("List three colours.")},
		"in an earlier answer":       {user("hi"), {Role: "assistant", Content: "json?"}, user("List three colours.")},
		"nowhere, behind a system":   {{Role: "system", Content: "Be brief."}, user("List three colours.")},
		"only in letters like these": {user("j son jso n jſon")},
	} {
		t.Run(name, func(t *testing.T) {
			for _, api := range []string{"chat", "responses"} {
				s := start(t, standin.Config{})
				body, err := Encode(api, &llm.Prompt{Messages: turns, Params: llm.Params{Model: "gpt-test", JSON: true}})
				if err != nil {
					t.Fatal(err)
				}
				if _, err := newClient(t, s.URL(), speaking(api)).Complete(t.Context(), &llm.Request{Body: body}); err != nil {
					t.Errorf("%s: %v\n%s", api, err, body)
				}
			}
		})
	}
}

func TestSchemaName(t *testing.T) {
	for _, test := range []struct{ schema, want string }{
		{`{"title":"Person"}`, "Person"},
		{`{"title":"A person's name, 2nd_ed-x"}`, "A_persons_name_2nd_ed-x"},
		{`{"title":"数字"}`, "answer"},
		{`{"title":7}`, "answer"},
		{`{}`, "answer"},
		{`true`, "answer"},
		{`{"title":"` + strings.Repeat("x", 100) + `"}`, strings.Repeat("x", 64)},
	} {
		if got := schemaName(json.RawMessage(test.schema)); got != test.want {
			t.Errorf("%s: %q, want %q", test.schema, got, test.want)
		}
	}
}

func TestResponsesKnowsNoSeed(t *testing.T) {
	_, err := Encode("responses", &llm.Prompt{Params: llm.Params{Model: "m", Seed: to(int64(1))}})
	if err == nil || !strings.Contains(err.Error(), "seed") {
		t.Errorf("error %v, want one that names the seed", err)
	}
}

// Text that is not UTF-8 must not make a body that is not JSON.
func TestInvalidUTF8StillMakesJSON(t *testing.T) {
	for _, api := range []string{"chat", "responses"} {
		body, err := Encode(api, &llm.Prompt{Messages: []llm.Message{user("a\xffb\xc3")}, Params: llm.Params{Model: "m\xff"}})
		if err != nil || !json.Valid(body) || !strings.Contains(string(body), "a\ufffdb\ufffd") {
			t.Errorf("%s: %s, error %v", api, body, err)
		}
	}
}

// Braces inside strings and values must not be taken for the end of the body.
func TestStreamingBodyStaysJSON(t *testing.T) {
	for _, api := range []string{"chat", "responses"} {
		body, err := Encode(api, &llm.Prompt{
			Messages: []llm.Message{user("}}}")},
			Params:   llm.Params{Model: "m", Options: []llm.Option{{Key: "z", Value: json.RawMessage(`{"a":{}}`)}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		before := string(body)
		streaming := formatOf(api).streaming(body)
		m, ok := value(t, string(streaming)).(map[string]any)
		if !ok || m["stream"] != true || !reflect.DeepEqual(m["z"], map[string]any{"a": map[string]any{}}) {
			t.Errorf("%s: %s", api, streaming)
		}
		if string(body) != before {
			t.Errorf("%s: the body itself was changed", api)
		}
	}
}
