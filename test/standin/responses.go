package standin

import (
	"encoding/json"
	"net/http"
)

type responseBody struct {
	ID                 string             `json:"id"`
	Object             string             `json:"object"`
	CreatedAt          int64              `json:"created_at"`
	Status             string             `json:"status"`
	Background         bool               `json:"background"`
	CompletedAt        *int64             `json:"completed_at"`
	Error              *errorObject       `json:"error"`
	IncompleteDetails  *incompleteDetails `json:"incomplete_details"`
	Instructions       json.RawMessage    `json:"instructions"`
	MaxOutputTokens    json.RawMessage    `json:"max_output_tokens"`
	MaxToolCalls       *int               `json:"max_tool_calls"`
	Model              string             `json:"model"`
	Output             []outputItem       `json:"output"`
	ParallelToolCalls  bool               `json:"parallel_tool_calls"`
	PreviousResponseID *string            `json:"previous_response_id"`
	Reasoning          json.RawMessage    `json:"reasoning"`
	ServiceTier        string             `json:"service_tier"`
	Store              json.RawMessage    `json:"store"`
	Temperature        json.RawMessage    `json:"temperature"`
	Text               json.RawMessage    `json:"text"`
	ToolChoice         string             `json:"tool_choice"`
	Tools              []struct{}         `json:"tools"`
	TopLogprobs        int                `json:"top_logprobs"`
	TopP               json.RawMessage    `json:"top_p"`
	Truncation         string             `json:"truncation"`
	Usage              *responseUsage     `json:"usage"`
	User               *string            `json:"user"`
	Metadata           struct{}           `json:"metadata"`
}

type incompleteDetails struct {
	Reason string `json:"reason"`
}

type outputItem struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Content []any  `json:"content"`
	Role    string `json:"role"`
}

type textPart struct {
	Type        string     `json:"type"`
	Annotations []struct{} `json:"annotations"`
	Logprobs    []struct{} `json:"logprobs"`
	Text        string     `json:"text"`
}

type refusalPart struct {
	Type    string `json:"type"`
	Refusal string `json:"refusal"`
}

type responseUsage struct {
	InputTokens  int `json:"input_tokens"`
	InputDetails struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens  int `json:"output_tokens"`
	OutputDetails struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int `json:"total_tokens"`
}

func responsesAnswer(a *ask, c *completion) *answer {
	if a.stream {
		return &answer{status: http.StatusOK, stream: responsesStream(a, c)}
	}
	return &answer{status: http.StatusOK, body: encode(responseDone(a, c), "  ")}
}

// responseBegun is the response object as it stands before the first word.
func responseBegun(a *ask, c *completion) responseBody {
	field := func(name, fallback string) json.RawMessage {
		if v, ok := a.raw[name]; ok {
			return v
		}
		return json.RawMessage(fallback)
	}
	return responseBody{
		ID: "resp_" + c.id, Object: "response", CreatedAt: c.created, Status: "in_progress", Model: c.model,
		Instructions: field("instructions", "null"), MaxOutputTokens: field("max_output_tokens", "null"),
		Output: []outputItem{}, ParallelToolCalls: true, ServiceTier: "default",
		Reasoning: field("reasoning", `{"effort":null,"summary":null}`), Store: field("store", "true"),
		Temperature: field("temperature", "1.0"), TopP: field("top_p", "1.0"),
		Text:       field("text", `{"format":{"type":"text"},"verbosity":"medium"}`),
		ToolChoice: "auto", Tools: []struct{}{}, Truncation: "disabled",
	}
}

func responseDone(a *ask, c *completion) responseBody {
	b := responseBegun(a, c)
	b.Status = "completed"
	switch c.finish {
	case "length":
		b.Status, b.IncompleteDetails = "incomplete", &incompleteDetails{"max_output_tokens"}
	case "content_filter":
		b.Status, b.IncompleteDetails = "incomplete", &incompleteDetails{"content_filter"}
	default:
		b.CompletedAt = &c.created
	}
	if !c.empty && !c.null {
		b.Output = []outputItem{c.item(b.Status, c.part(c.text, c.refusal))}
	}
	b.Usage = &responseUsage{InputTokens: c.promptTokens, OutputTokens: c.answerTokens, TotalTokens: c.promptTokens + c.answerTokens}
	return b
}

func (c *completion) item(status string, parts ...any) outputItem {
	return outputItem{
		ID: "msg_" + c.id, Type: "message", Status: status, Content: append([]any{}, parts...), Role: "assistant",
	}
}

func (c *completion) part(text, refusal string) any {
	if c.refusal != "" {
		return refusalPart{"refusal", refusal}
	}
	return textPart{"output_text", []struct{}{}, []struct{}{}, text}
}

// responsesStream makes the events; each carries its number, and all but the first and the last two name their item.
func responsesStream(a *ask, c *completion) *stream {
	n := 0
	typed := func(kind string, fields map[string]any) string {
		fields["type"], fields["sequence_number"] = kind, n
		n++
		return event(kind, fields)
	}
	inItem := func(kind string, fields map[string]any) string {
		fields["item_id"], fields["output_index"], fields["content_index"] = "msg_"+c.id, 0, 0
		return typed(kind, fields)
	}
	begun, done := responseBegun(a, c), responseDone(a, c)
	st := &stream{}
	st.head = append(st.head,
		typed("response.created", map[string]any{"response": begun}),
		typed("response.in_progress", map[string]any{"response": begun}))
	if len(done.Output) > 0 {
		st.head = append(st.head,
			typed("response.output_item.added", map[string]any{"output_index": 0, "item": c.item("in_progress")}),
			inItem("response.content_part.added", map[string]any{"part": c.part("", "")}))
		kind, field, text := "response.output_text", "text", c.text
		if c.refusal != "" {
			kind, field, text = "response.refusal", "refusal", c.refusal
		}
		for _, piece := range pieces(text) {
			fields := map[string]any{"delta": piece}
			if field == "text" {
				fields["logprobs"] = []any{}
			}
			st.text = append(st.text, inItem(kind+".delta", fields))
		}
		whole := map[string]any{field: text}
		if field == "text" {
			whole["logprobs"] = []any{}
		}
		st.tail = append(st.tail,
			inItem(kind+".done", whole),
			inItem("response.content_part.done", map[string]any{"part": c.part(c.text, c.refusal)}),
			typed("response.output_item.done", map[string]any{"output_index": 0, "item": done.Output[0]}))
	}
	st.tail = append(st.tail, typed("response."+done.Status, map[string]any{"response": done}))
	st.failure = func(sent int) []string {
		n = sent
		e := serverError()
		failed := begun
		failed.Status = "failed"
		failed.Error = &errorObject{Message: e.message, Code: orNull(e.kind)}
		return []string{
			typed("error", map[string]any{"error": e.object()}),
			typed("response.failed", map[string]any{"response": failed}),
		}
	}
	return st
}
