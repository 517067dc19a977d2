package cost

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/price"
	"gptpipe/pkg/wire"
)

func count(t *testing.T, model, body string) Input {
	t.Helper()
	in, err := NewCounter(model).Count([]byte(body))
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return in
}

// The example of the OpenAI cookbook, "How to count tokens with tiktoken",
// section 6, with what the API itself counted there.
func TestCountIsThatOfTheAPI(t *testing.T) {
	const body = `{"model":"M","messages":[
		{"role":"system","content":"You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
		{"role":"system","name":"example_user","content":"New synergies will help drive top-line growth."},
		{"role":"system","name":"example_assistant","content":"Things working well together will increase revenue."},
		{"role":"system","name":"example_user","content":"Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
		{"role":"system","name":"example_assistant","content":"Let's talk later when we're less busy about how to do better."},
		{"role":"user","content":"This late pivot means we don't have time to boil the ocean for the client deliverable."}]}`
	for model, want := range map[string]int{
		"gpt-3.5-turbo": 129, "gpt-4-0613": 129, "gpt-4": 129, "gpt-4o": 124, "gpt-4o-mini": 124, "gpt-4o-mini-2024-07-18": 124,
		"openai/gpt-4o": 124, "ft:gpt-4o-mini-2024-07-18:acme::Ab12": 124,
	} {
		if got := count(t, model, body); got != (Input{Tokens: want, Answers: 1}) {
			t.Errorf("%s: %+v, want %d tokens", model, got, want)
		}
	}
	// Of later models the text is exact, and what stands around it is estimated.
	if got := count(t, "gpt-5-mini", body); got != (Input{Tokens: 124, Estimated: 6*perMessage + 4*perName + perReply, Answers: 1}) {
		t.Errorf("gpt-5-mini: %+v", got)
	}
	// Of unknown models all is.
	if got := count(t, "llama3", body); got != (Input{Tokens: 124, Estimated: 124, Answers: 1}) {
		t.Errorf("llama3: %+v", got)
	}
}

// Bodies as they are really sent.
func TestCountOfEncodedPrompts(t *testing.T) {
	const system, text = "Answer \"briefly\".\n", "Größe: 5\u00a0µm\t\u0001, isn't it?"
	c := NewCounter("gpt-4o")
	plain := c.Text(system) + c.Text(text)
	prompt := &llm.Prompt{
		Messages: []llm.Message{{Role: "system", Content: system}, {Role: "user", Content: text}},
		Params:   llm.Params{Model: "gpt-4o", MaxTokens: 77},
	}
	for api, want := range map[string]Input{
		"chat":      {Tokens: plain + 2*(perMessage+1) + perReply, MaxOutput: 77, Answers: 1},
		"responses": {Tokens: plain + 2*(perMessage+1) + perReply, MaxOutput: 77, Answers: 1},
	} {
		body, err := wire.Encode(api, prompt)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time the system message is remembered
			if got, err := c.Count(body); err != nil || got != want {
				t.Errorf("%s: %+v, %v; want %+v", api, got, err, want)
			}
		}
		prompt.Schema = json.RawMessage(`{"type":"object","properties":{"size":{"type":"number"}}}`)
		body, _ = wire.Encode(api, prompt)
		got, err := c.Count(body)
		if more := got.Tokens - want.Tokens; err != nil || more < c.Text(string(prompt.Schema)) || got.Estimated != more {
			t.Errorf("%s with a schema: %+v, %v", api, got, err)
		}
		prompt.Schema = nil
		prompt.JSON = true
		body, _ = wire.Encode(api, prompt)
		if got, err := c.Count(body); err != nil || got.Estimated != 0 || got.Tokens <= want.Tokens {
			t.Errorf("%s in JSON mode: %+v, %v", api, got, err)
		}
		prompt.JSON = false
	}
}

func TestCount(t *testing.T) {
	c := NewCounter("gpt-4o")
	hi := c.Text("hi there")
	const message = `{"role":"user","content":"hi there"}`
	for body, want := range map[string]Input{
		`{}`:                {Answers: 1},
		`{"messages":[]}`:   {Answers: 1},
		`{"messages":null}`: {Answers: 1},
		`{ "messages" : [ ` + message + ` , ` + message + ` ] , "n" : 3 }`:             {Tokens: 2*(4+hi) + 3, Answers: 3},
		`{"messag\u0065s":[` + message + `]}`:                                          {Tokens: 4 + hi + 3, Answers: 1},
		`{"messages":[{"role":"user","content":null}]}`:                                {Tokens: 4 + 3, Answers: 1},
		`{"messages":[{"role":"user","content":[]}]}`:                                  {Tokens: 4 + 3, Answers: 1},
		`{"messages":[{"role":"user","content":[{"type":"text","text":"hi there"}]}]}`: {Tokens: 4 + hi + 3, Answers: 1},
		`{"messages":[{"role":"user","content":"h\u0069 \u0074here"}]}`:                {Tokens: 4 + hi + 3, Answers: 1},
		`{"max_tokens":5,"max_completion_tokens":6,"temperature":1}`:                   {MaxOutput: 6, Answers: 1},
		`{"max_output_tokens":9.0,"max_tokens":90e-1,"n":3e0}`:                         {MaxOutput: 9, Answers: 3},
		`{"n":3,"n":2}`:                               {Answers: 3},
		`{"max_tokens":5,"n":"3"}`:                    {MaxOutput: 5, Answers: 1, Unknown: "n is none of the numbers that are reckoned with"},
		`{"max_tokens":5,"max_completion_tokens":-1}`: {MaxOutput: 5, Answers: 1, Unknown: "max_completion_tokens is none of the numbers that are reckoned with"},
		`{"max_output_tokens":9,"max_tokens":null,"n":null,"stop":["\"]}","{"]}`: {MaxOutput: 9, Answers: 1},
		`{"input":"hi there"}`:                                              {Tokens: 4 + hi + 3, Answers: 1},
		`{"input":"hi there","instructions":"hi there"}`:                    {Tokens: 2*(4+hi) + 3, Answers: 1},
		`{"input":[{"type":"message",` + message[1:] + `]}`:                 {Tokens: 4 + hi + 3, Answers: 1},
		`{"previous_response_id":"r"}`:                                      {Answers: 1, Unknown: "what previous_response_id refers to is on the server"},
		`{"audio":{},"prompt":{}}`:                                          {Answers: 1, Unknown: "audio is charged for by other rules"},
		`{"input":[{"type":"item_reference","id":"x","role":"user"}]}`:      {Tokens: 4 + 3, Answers: 1, Unknown: "an item_reference is on the server"},
		`{"messages":[{"role":"user","content":[{"type":"input_audio"}]}]}`: {Tokens: 4 + 3, Answers: 1, Unknown: `there is no rule for a part of type "input_audio"`},
	} {
		if got := count(t, "gpt-4o", body); got != want {
			t.Errorf("%s: %+v, want %+v", body, got, want)
		}
	}
	tools := `[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}]`
	if got := count(t, "gpt-4o", `{"tools":`+tools+`}`); got.Estimated != c.Text(tools) || got.Tokens != got.Estimated || got.Unknown != "" {
		t.Errorf("tools: %+v", got)
	}
	if got := count(t, "gpt-4o", `{"tools":[{"type":"web_search"}]}`); got.Unknown != `the tool "web_search" is charged for beside its tokens` {
		t.Errorf("a hosted tool: %+v", got)
	}
	if got := count(t, "gpt-4o", `{"messages":[{"role":"tool","tool_call_id":"x","content":"hi there"}]}`); got.Estimated != c.Text("x") || got.Tokens != 4+hi+3+got.Estimated {
		t.Errorf("the result of a tool: %+v", got)
	}
}

func TestCountOfEmbeddings(t *testing.T) {
	const model = "text-embedding-3-small"
	c := NewCounter(model)
	for body, want := range map[string]int{
		`{"model":"text-embedding-3-small","input":"hi there"}`:        c.Text("hi there"),
		`{"input":["hi there","","Größe"],"encoding_format":"base64"}`: c.Text("hi there") + c.Text("Größe"),
		`{"input":[1,22,333]}`:        3,
		`{"input":[[1,22],[333],[]]}`: 3,
	} {
		if got := count(t, model, body); got != (Input{Tokens: want, Answers: 1}) {
			t.Errorf("%s: %+v, want %d tokens", body, got, want)
		}
	}
}

func TestBadBodies(t *testing.T) {
	for _, body := range []string{"", "null", "[]", `"x"`, "{", `{"a"`, `{"a":`, `{"a":}`, `{"a":1`, `{"a":1,}`, `{a:1}`, `{"a" 1}`, `{"messages":{}}`,
		`{"messages":[1]}`, `{"messages":["x"]}`, `{"messages":[{"role":"user","content":"x}]}`, `{"messages":[{"content":"\u12"}]}`,
		`{"messages":[{"content":[1]}]}`, `{"messages":[{},]}`, `{"\u12":1}`, `{"input":[}`} {
		if in, err := NewCounter("gpt-4o").Count([]byte(body)); err == nil {
			t.Errorf("%s is counted: %+v", body, in)
		}
	}
}

// What is remembered of one request must not be taken for another's.
func TestCountWithChangingSystemMessages(t *testing.T) {
	c := NewCounter("gpt-4o")
	for range 3 {
		for _, system := range []string{"be brief", "be as brief as you can", ""} {
			in, err := c.Count(fmt.Appendf(nil, `{"messages":[{"role":"system","content":%q},{"role":"developer","content":%[1]q}]}`, system))
			if want := 2*(4+c.Text(system)) + 3; err != nil || in.Tokens != want {
				t.Errorf("%q: %+v, %v; want %d tokens", system, in, err, want)
			}
		}
	}
}

// The examples of OpenAI's documentation on the cost of images.
func TestImageRules(t *testing.T) {
	for _, test := range []struct {
		model                 string
		width, height, tokens int
	}{
		{"gpt-4o", 1024, 1024, 765},
		{"gpt-4o", 2048, 4096, 1105},
		{"gpt-4o", 512, 512, 255},
		{"gpt-4o-mini", 1024, 1024, 2833 + 4*5667},
		{"gpt-5", 1024, 1024, 70 + 4*140},
		{"gpt-4.1-mini", 1024, 1024, 1659}, // 1024 patches
		{"gpt-4.1-mini", 1800, 2400, 2353}, // 1452 patches
		{"o4-mini", 128, 64, 14},           // 8 patches
		{"gpt-4.1-nano", 1, 1000000, 3779},
	} {
		if got := visions[test.model].tokens(test.width, test.height); got != test.tokens {
			t.Errorf("%s %d x %d: %d tokens, want %d", test.model, test.width, test.height, got, test.tokens)
		}
	}
	for model, v := range visions {
		for w := 1; w < 20000; w = w*5/4 + 1 {
			for h := 1; h < 20000; h = h*5/4 + 1 {
				if n := v.tokens(w, h); n < 1 || n > v.most() {
					t.Fatalf("%s %d x %d: %d tokens of at most %d", model, w, h, n, v.most())
				}
			}
		}
	}
}

func TestCountOfImages(t *testing.T) {
	var asPNG, asJPEG bytes.Buffer
	png.Encode(&asPNG, image.NewGray(image.Rect(0, 0, 1024, 1024)))
	jpeg.Encode(&asJPEG, image.NewGray(image.Rect(0, 0, 600, 500)), nil)
	urlPNG := "data:image/png;base64," + base64.StdEncoding.EncodeToString(asPNG.Bytes())
	urlJPEG := "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString(asJPEG.Bytes())
	c := NewCounter("gpt-4o")
	text := 4 + c.Text("what is it?") + 3
	prompt := &llm.Prompt{
		Messages: []llm.Message{{Role: "user", Content: "what is it?", Images: []string{urlPNG, urlJPEG}}},
		Params:   llm.Params{Model: "gpt-4o"},
	}
	for _, api := range []string{"chat", "responses"} {
		body, err := wire.Encode(api, prompt)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Count(body); err != nil || got != (Input{Tokens: text + 765 + 425, Answers: 1}) {
			t.Errorf("%s: %+v, %v; want %d tokens", api, got, err, text+765+425)
		}
	}
	for part, want := range map[string]Input{
		`{"type":"image_url","image_url":{"url":"` + urlPNG + `","detail":"low"}}`:   {Tokens: 7 + 85, Answers: 1},
		`{"type":"input_image","image_url":"` + urlPNG + `","detail":"low"}`:         {Tokens: 7 + 85, Answers: 1},
		`{"type":"input_image","file_id":"file-1","detail":"high"}`:                  {Tokens: 7 + 1445, Estimated: 1445, Answers: 1},
		`{"type":"image_url","image_url":{"url":"https:\/\/example.org\/a.png"}}`:    {Tokens: 7 + 1445, Estimated: 1445, Answers: 1},
		`{"type":"image_url","image_url":{"url":"data:image/webp;base64,UklGRg=="}}`: {Tokens: 7 + 1445, Estimated: 1445, Answers: 1},
	} {
		if got := count(t, "gpt-4o", `{"messages":[{"role":"user","content":[`+part+`]}]}`); got != want {
			t.Errorf("%.80s: %+v, want %+v", part, got, want)
		}
	}
	if got := count(t, "gpt-3.5-turbo", `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]}`); got.Unknown == "" {
		t.Errorf("a model that sees nothing: %+v", got)
	}
}

// slowly counts a chat body by way of encoding/json.
func slowly(c *Counter, body []byte) (tokens int, ok bool) {
	var b struct {
		Messages []struct{ Role, Content *string }
	}
	if json.Unmarshal(body, &b) != nil || len(b.Messages) == 0 {
		return 0, false
	}
	for _, m := range b.Messages {
		tokens += perMessage
		if m.Role != nil {
			tokens++
		}
		if m.Content != nil {
			tokens += c.Text(*m.Content)
		}
	}
	return tokens + perReply, true
}

// Whatever is put in, nothing breaks; and of messages of role and content the
// count is that of a reading by encoding/json.
func FuzzCount(f *testing.F) {
	for _, s := range []string{"hi", "a \"quote\" \\ and\n", "Größe 😀 \u0001", "</s>\u2028", strings.Repeat("ab ", 200)} {
		f.Add([]byte(`{"messages":[{"role":"user","content":"x"}]}`), s, "be brief")
	}
	f.Add([]byte(`{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo="}]},[[1]]],"tools":[{"type":"x"}]}`), "", "")
	f.Add([]byte(`{"messages":[{"content":"\ud83d\u12"},{"name":"\\\""}],"response_format":{"json_schema":"\"}"}}`), "", "")
	counters := []*Counter{NewCounter("gpt-4o"), NewCounter("text-embedding-3-small"), NewCounter("x")}
	f.Fuzz(func(t *testing.T, raw []byte, user, system string) {
		for _, c := range counters {
			in, err := c.Count(raw)
			if err == nil && (in.Tokens < 0 || in.Estimated < 0 || in.Estimated > in.Tokens || in.MaxOutput < 0 || in.Answers < 1) {
				t.Fatalf("%s: %+v", raw, in)
			}
		}
		price.ParseUsage(raw)
		prompt := &llm.Prompt{Messages: []llm.Message{{Role: "system", Content: system}, {Role: "user", Content: user}}}
		body, err := wire.Encode("chat", prompt)
		if err != nil {
			t.Fatal(err)
		}
		var indented, escaped bytes.Buffer
		json.Indent(&indented, body, " ", "\t")
		json.HTMLEscape(&escaped, body)
		for _, body := range [][]byte{body, indented.Bytes(), escaped.Bytes()} {
			in, err := counters[0].Count(body)
			if want, ok := slowly(counters[0], body); err != nil || !ok || in.Tokens != want {
				t.Fatalf("%s: %+v, %v; want %d tokens", body, in, err, want)
			}
		}
	})
}

func BenchmarkCount(b *testing.B) {
	const sentence = "It was the best of times, it was the worst of times; \"nobody\" knew which.\n"
	for _, size := range []int{1, 20, 200} {
		body, err := wire.Encode("chat", &llm.Prompt{
			Messages: []llm.Message{{Role: "system", Content: strings.Repeat("Answer in one sentence. ", 20)}, {Role: "user", Content: strings.Repeat(sentence, size)}},
			Params:   llm.Params{Model: "gpt-5-mini", MaxTokens: 100},
		})
		if err != nil {
			b.Fatal(err)
		}
		c := NewCounter("gpt-5-mini")
		b.Run(fmt.Sprintf("%d-bytes", len(body)), func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Count(body); err != nil {
					b.Fatal(err)
				}
			}
		})
		text := strings.Repeat(sentence, size)
		b.Run(fmt.Sprintf("%d-bytes-text-alone", len(body)), func(b *testing.B) {
			for b.Loop() {
				c.Text(text)
			}
		})
	}
}

func BenchmarkUsage(b *testing.B) {
	usage := []byte(`{"prompt_tokens":1234,"completion_tokens":56,"total_tokens":1290,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`)
	for b.Loop() {
		if _, ok := price.ParseUsage(usage); !ok {
			b.Fatal("not read")
		}
	}
}
