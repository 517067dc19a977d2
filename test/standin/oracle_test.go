package standin

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"
)

// official is the official client, which retries nothing here so that each fault is seen.
func official(s *Server) openai.Client {
	return openai.NewClient(option.WithBaseURL(s.URL()), option.WithAPIKey("sk-test"), option.WithMaxRetries(0))
}

func chatParams(prompt string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    "gpt-test",
		Messages: []openai.ChatCompletionMessageParamUnion{openai.SystemMessage("Be brief."), openai.UserMessage(prompt)},
	}
}

func responseParams(prompt string) responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model:        "gpt-test",
		Instructions: openai.String("Be brief."),
		Input:        responses.ResponseNewParamsInputUnion{OfString: openai.String(prompt)},
	}
}

const long = "héllo wörld, one two three four 数字"

func TestOfficialChat(t *testing.T) {
	s := start(t, Config{Key: "sk-test"})
	c := official(s)
	got, err := c.Chat.Completions.New(t.Context(), chatParams("echo "+long))
	if err != nil {
		t.Fatal(err)
	}
	choice := got.Choices[0]
	if choice.Message.Content != long || choice.FinishReason != "stop" || got.Model != "gpt-test" || got.ID == "" {
		t.Errorf("got %s", got.RawJSON())
	}
	if u := got.Usage; u.PromptTokens == 0 || u.CompletionTokens == 0 || u.TotalTokens != u.PromptTokens+u.CompletionTokens {
		t.Errorf("usage %s", u.RawJSON())
	}
	if s.Paid() != 1 {
		t.Errorf("paid %d, want 1", s.Paid())
	}
}

func TestOfficialChatStream(t *testing.T) {
	s := start(t, Config{})
	c := official(s)
	params := chatParams("echo " + long)
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := c.Chat.Completions.NewStreaming(t.Context(), params)
	acc := openai.ChatCompletionAccumulator{}
	chunks := 0
	for stream.Next() {
		chunks++
		if !acc.AddChunk(stream.Current()) {
			t.Fatalf("chunk does not fit: %s", stream.Current().RawJSON())
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if acc.Choices[0].Message.Content != long || acc.Choices[0].FinishReason != "stop" || acc.Usage.TotalTokens == 0 {
		t.Errorf("got %+v", acc.ChatCompletion)
	}
	if chunks < 5 {
		t.Errorf("%d chunks", chunks)
	}
	last := stream.Current()
	if len(last.Choices) != 0 || last.Usage.CompletionTokens == 0 {
		t.Errorf("last chunk %s", last.RawJSON())
	}
}

func TestOfficialResponses(t *testing.T) {
	s := start(t, Config{})
	c := official(s)
	got, err := c.Responses.New(t.Context(), responseParams("echo "+long))
	if err != nil {
		t.Fatal(err)
	}
	if got.OutputText() != long || got.Status != "completed" || got.Usage.TotalTokens == 0 {
		t.Errorf("got %s", got.RawJSON())
	}
	if got.Instructions.OfString != "Be brief." {
		t.Errorf("instructions %+v", got.Instructions)
	}
	params := responseParams("echo-system")
	params.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
		responses.ResponseInputItemParamOfMessage("echo-system", "user"),
	}}
	if got, err = c.Responses.New(t.Context(), params); err != nil || got.OutputText() != "Be brief." {
		t.Errorf("got %v, error %v", got, err)
	}
}

func TestOfficialResponsesStream(t *testing.T) {
	s := start(t, Config{})
	c := official(s)
	stream := c.Responses.NewStreaming(t.Context(), responseParams("echo "+long))
	text, order := "", []string{}
	next := int64(0)
	for stream.Next() {
		e := stream.Current()
		if e.SequenceNumber != next {
			t.Errorf("event %s has number %d, want %d", e.Type, e.SequenceNumber, next)
		}
		next++
		if len(order) == 0 || order[len(order)-1] != e.Type {
			order = append(order, e.Type)
		}
		switch e := e.AsAny().(type) {
		case responses.ResponseTextDeltaEvent:
			text += e.Delta
		case responses.ResponseTextDoneEvent:
			if e.Text != long {
				t.Errorf("done: %q", e.Text)
			}
		case responses.ResponseCompletedEvent:
			if e.Response.OutputText() != long || e.Response.Usage.TotalTokens == 0 {
				t.Errorf("completed: %s", e.RawJSON())
			}
		}
	}
	if err := stream.Err(); err != nil {
		t.Fatal(err)
	}
	if text != long {
		t.Errorf("deltas: %q", text)
	}
	want := `["response.created","response.in_progress","response.output_item.added","response.content_part.added",` +
		`"response.output_text.delta","response.output_text.done","response.content_part.done","response.output_item.done","response.completed"]`
	if b, _ := json.Marshal(order); string(b) != want {
		t.Errorf("order %s", b)
	}
}

func TestOfficialEnds(t *testing.T) {
	for _, test := range []struct{ fault, finish, reason, refusal string }{
		{"length", "length", "max_output_tokens", ""},
		{"content-filter", "content_filter", "content_filter", ""},
		{"refusal", "stop", "", "I'm sorry, I can't assist with that request."},
	} {
		s := start(t, Config{Faults: MustFaults(test.fault)})
		c := official(s)
		got, err := c.Chat.Completions.New(t.Context(), chatParams("echo "+long))
		if err != nil {
			t.Fatal(err)
		}
		if got.Choices[0].FinishReason != test.finish || got.Choices[0].Message.Refusal != test.refusal {
			t.Errorf("%s: %s", test.fault, got.RawJSON())
		}
		resp, err := c.Responses.New(t.Context(), responseParams("echo "+long))
		if err != nil {
			t.Fatal(err)
		}
		if resp.IncompleteDetails.Reason != test.reason || resp.Output[0].Content[0].Refusal != test.refusal {
			t.Errorf("%s: %s", test.fault, resp.RawJSON())
		}
		stream := c.Responses.NewStreaming(t.Context(), responseParams("echo "+long))
		var last string
		for stream.Next() {
			last = stream.Current().Type
		}
		want := "response.completed"
		if test.reason != "" {
			want = "response.incomplete"
		}
		if stream.Err() != nil || last != want {
			t.Errorf("%s: stream ends with %s, error %v", test.fault, last, stream.Err())
		}
		if s.Paid() != 3 {
			t.Errorf("%s: paid %d, want 3", test.fault, s.Paid())
		}
	}
}

// The official client must read our errors as the ones it knows.
func TestOfficialErrors(t *testing.T) {
	s := start(t, Config{Key: "sk-other", Models: []string{"gpt-test"}, Faults: MustFaults(
		"at=1:500;at=2:429;at=3:insufficient_quota;at=4:503;at=5:404;at=6:502;at=7:error-in-stream")})
	c := official(s)
	for i, want := range []struct {
		status     int
		code, kind string
	}{
		{500, "", "server_error"},
		{429, "rate_limit_exceeded", "requests"},
		{429, "insufficient_quota", "insufficient_quota"},
		{503, "server_is_overloaded", "service_unavailable_error"},
		{404, "model_not_found", "invalid_request_error"},
	} {
		_, err := c.Chat.Completions.New(t.Context(), chatParams("echo "+long))
		e, ok := errors.AsType[*openai.Error](err)
		if !ok || e.StatusCode != want.status || e.Code != want.code || e.Type != want.kind || e.Message == "" {
			t.Errorf("request %d: %v, want %v", i+1, err, want)
		}
	}
	if _, err := c.Chat.Completions.New(t.Context(), chatParams("echo")); err == nil {
		t.Error("no error from a 502")
	}
	_, err := c.Chat.Completions.New(t.Context(), chatParams("echo"))
	if e, ok := errors.AsType[*openai.Error](err); !ok || e.StatusCode != 401 || e.Code != "invalid_api_key" {
		t.Errorf("wrong key: %v", err)
	}
}

func TestOfficialErrorInStream(t *testing.T) {
	s := start(t, Config{Faults: MustFaults("error-in-stream")})
	c := official(s)
	a := c.Chat.Completions.NewStreaming(t.Context(), chatParams("echo "+long))
	for a.Next() {
	}
	b := c.Responses.NewStreaming(t.Context(), responseParams("echo "+long))
	for b.Next() {
	}
	if a.Err() == nil || b.Err() == nil {
		t.Errorf("errors in the streams: chat %v, responses %v", a.Err(), b.Err())
	}
	if s.Paid() != 0 {
		t.Error("a failed stream was paid for")
	}
}

func TestOfficialModels(t *testing.T) {
	s := start(t, Config{Models: []string{"a", "b"}})
	c := official(s)
	page, err := c.Models.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Data) != 2 || page.Data[1].ID != "b" {
		t.Errorf("got %+v", page.Data)
	}
	if s.Paid() != 0 {
		t.Error("a list was paid for")
	}
}
