package aimock

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

func official(s *Server, retries int) openai.Client {
	return openai.NewClient(option.WithBaseURL(s.URL()), option.WithAPIKey("sk-test"), option.WithMaxRetries(retries))
}

func ask(prompt string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    "gpt-test",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(prompt)},
	}
}

// The fixtures must do what the package comment says, for other tests build on it.
func TestFixtures(t *testing.T) {
	s := Start(t)
	c := official(s, 0)
	for _, test := range []struct{ prompt, answer, finish string }{
		{"Echo two  words", "two  words", "stop"},
		{"echo\n\n\nparagraph\n\nand more", "\nparagraph\n\nand more", "stop"},
		{"echo-system", "Be brief.", "stop"},
		{"Please run too long.", "This answer was cut", "length"},
		{"Please be filtered.", "This answer was", "content_filter"},
		{"Please be counted.", "One.", "stop"},
	} {
		got, err := c.Chat.Completions.New(t.Context(), ask(test.prompt))
		if err != nil {
			t.Errorf("%q: %v", test.prompt, err)
			continue
		}
		if choice := got.Choices[0]; choice.Message.Content != test.answer || choice.FinishReason != test.finish {
			t.Errorf("%q: %s", test.prompt, got.RawJSON())
		}
		if test.finish == "stop" && strings.Contains(test.prompt, "counted") && got.Usage.TotalTokens != 14 {
			t.Errorf("usage %s", got.Usage.RawJSON())
		}
	}
	if n := len(s.Requests()); n != 6 {
		t.Errorf("%d requests in the journal, want 6", n)
	}
	q := s.Requests()[0]
	if q.Path != "/v1/chat/completions" || q.Response.Status != 200 || !strings.Contains(string(q.Body), "two  words") || q.Headers["content-type"] != "application/json" {
		t.Errorf("journal: %+v, body %s", q, q.Body)
	}
	if strings.Contains(q.Headers["authorization"], "sk-test") {
		t.Errorf("the journal shows the key: %q", q.Headers["authorization"])
	}
}

func TestStreams(t *testing.T) {
	s := Start(t)
	c := official(s, 0)
	const long = "one two three four five"
	params := ask("echo " + long)
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := c.Chat.Completions.NewStreaming(t.Context(), params)
	acc := openai.ChatCompletionAccumulator{}
	chunks := 0
	for stream.Next() {
		acc.AddChunk(stream.Current())
		chunks++
	}
	if stream.Err() != nil || acc.Choices[0].Message.Content != long || acc.Usage.TotalTokens == 0 || chunks < 5 {
		t.Errorf("chat: %d chunks, error %v: %+v", chunks, stream.Err(), acc.ChatCompletion)
	}

	r := c.Responses.NewStreaming(t.Context(), responses.ResponseNewParams{
		Model: "gpt-test",
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String("echo " + long)},
	})
	text, last := "", ""
	for r.Next() {
		last = r.Current().Type
		if last == "response.output_text.delta" {
			text += r.Current().Delta
		}
	}
	if r.Err() != nil || text != long || last != "response.completed" {
		t.Errorf("responses: %q, ends with %s, error %v", text, last, r.Err())
	}

	cut := c.Chat.Completions.NewStreaming(t.Context(), ask("cut the stream"))
	events := 0
	for cut.Next() {
		events++
	}
	if !errors.Is(cut.Err(), io.ErrUnexpectedEOF) || events == 0 {
		t.Errorf("cut after %d events, error %v", events, cut.Err())
	}
}

func TestResponses(t *testing.T) {
	s := Start(t)
	c := official(s, 0)
	got, err := c.Responses.New(t.Context(), responses.ResponseNewParams{
		Model:        "gpt-test",
		Instructions: openai.String("Be brief."),
		Input:        responses.ResponseNewParamsInputUnion{OfString: openai.String("echo-system")},
	})
	if err != nil || got.OutputText() != "Be brief." || got.Status != "completed" {
		t.Errorf("error %v: %s", err, got.RawJSON())
	}
	if q := s.Requests()[0]; q.Path != "/v1/responses" || !strings.Contains(string(q.Body), `"messages":[{"role":"system","content":"Be brief."}`) {
		t.Errorf("journal: %s %s", q.Path, q.Body)
	}
}

func TestJSON(t *testing.T) {
	s := Start(t)
	c := official(s, 0)
	params := ask("Please give JSON.")
	params.ResponseFormat.OfJSONObject = &shared.ResponseFormatJSONObjectParam{}
	got, err := c.Chat.Completions.New(t.Context(), params)
	if err != nil || got.Choices[0].Message.Content != `{"name":"Ada","age":36}` {
		t.Errorf("error %v: %s", err, got.RawJSON())
	}
	for prompt, want := range map[string]string{
		"Please fit the schema.":   `{"name":"Ada","age":36}`,
		"Please break the schema.": `{"name":36,"age":"Ada"}`,
	} {
		params := ask(prompt)
		params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "person", Schema: map[string]any{"type": "object"}},
		}
		got, err := c.Chat.Completions.New(t.Context(), params)
		if err != nil || got.Choices[0].Message.Content != want {
			t.Errorf("%s: error %v: %s", prompt, err, got.RawJSON())
		}
	}
}

func TestErrors(t *testing.T) {
	s := Start(t)
	c := official(s, 0)
	status := func(prompt string, want int, code, retryAfter string) {
		t.Helper()
		_, err := c.Chat.Completions.New(t.Context(), ask(prompt))
		if want == 200 {
			if err != nil {
				t.Errorf("%q: %v", prompt, err)
			}
			return
		}
		e, ok := errors.AsType[*openai.Error](err)
		if !ok || e.StatusCode != want || e.Code != code || e.Response.Header.Get("Retry-After") != retryAfter {
			t.Errorf("%q: %v, want status %d, code %q", prompt, err, want, code)
		}
	}
	status("always 429", 429, "rate_limit_exceeded", "1")
	status("no quota", 429, "insufficient_quota", "1")
	status("always 500", 500, "", "")
	status("first 500", 500, "", "")
	status("first 500", 200, "", "")
	status("no such fixture", 404, "no_fixture_match", "")

	s.FailNext(503, "Overloaded", "service_unavailable_error", "server_is_overloaded")
	s.FailNext(429, "Slow down", "requests", "slow_down")
	status("echo a", 429, "slow_down", "1")
	status("echo a", 503, "server_is_overloaded", "")
	status("echo a", 200, "", "")

	s.Add(`[{"match":{"userMessage":"fresh"},"response":{"content":"added"}}]`)
	status("fresh", 200, "", "")

	for _, rate := range []string{"malformedRate", "disconnectRate", "dropRate"} {
		s.Chaos(map[string]float64{rate: 1})
		if _, err := c.Chat.Completions.New(t.Context(), ask("echo a")); err == nil {
			t.Errorf("%s: no error", rate)
		}
	}
	s.Chaos(map[string]float64{})
	status("echo a", 200, "", "")
}

// The official client gets over what ours has to get over.
func TestRetried(t *testing.T) {
	s := Start(t)
	c := official(s, 1)
	got, err := c.Chat.Completions.New(t.Context(), ask("first 500"))
	if err != nil || got.Choices[0].Message.Content != "The second time it works." {
		t.Errorf("error %v", err)
	}
	if n := len(s.Requests()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}
