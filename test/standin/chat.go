package standin

import (
	"encoding/json"
	"net/http"
)

type chatBody struct {
	ID          string       `json:"id"`
	Object      string       `json:"object"`
	Created     int64        `json:"created"`
	Model       string       `json:"model"`
	Choices     []chatChoice `json:"choices"`
	Usage       chatUsage    `json:"usage"`
	ServiceTier string       `json:"service_tier"`
	Fingerprint *string      `json:"system_fingerprint"`
}

type chatChoice struct {
	Index        int         `json:"index"`
	Message      chatMessage `json:"message"`
	Logprobs     *struct{}   `json:"logprobs"`
	FinishReason string      `json:"finish_reason"`
}

type chatMessage struct {
	Role        string     `json:"role"`
	Content     *string    `json:"content"`
	Refusal     *string    `json:"refusal"`
	Annotations []struct{} `json:"annotations"`
}

type chatUsage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	PromptDetails    struct {
		CachedTokens int `json:"cached_tokens"`
		AudioTokens  int `json:"audio_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails struct {
		ReasoningTokens          int `json:"reasoning_tokens"`
		AudioTokens              int `json:"audio_tokens"`
		AcceptedPredictionTokens int `json:"accepted_prediction_tokens"`
		RejectedPredictionTokens int `json:"rejected_prediction_tokens"`
	} `json:"completion_tokens_details"`
}

type chatChunk struct {
	ID          string            `json:"id"`
	Object      string            `json:"object"`
	Created     int64             `json:"created"`
	Model       string            `json:"model"`
	ServiceTier string            `json:"service_tier"`
	Fingerprint *string           `json:"system_fingerprint"`
	Choices     []chatChunkChoice `json:"choices"`
	Usage       json.RawMessage   `json:"usage,omitempty"` // null in all chunks but the last if it was asked for
}

type chatChunkChoice struct {
	Index        int             `json:"index"`
	Delta        json.RawMessage `json:"delta"`
	Logprobs     *struct{}       `json:"logprobs"`
	FinishReason *string         `json:"finish_reason"`
}

func chatAnswer(a *ask, c *completion) *answer {
	if a.stream {
		return &answer{status: http.StatusOK, stream: chatStream(a, c)}
	}
	b := chatBody{
		ID: "chatcmpl-" + c.id, Object: "chat.completion", Created: c.created, Model: c.model,
		Choices: []chatChoice{}, Usage: c.chatUsage(), ServiceTier: "default",
	}
	if !c.empty {
		m := chatMessage{Role: "assistant", Refusal: orNull(c.refusal), Annotations: []struct{}{}}
		if c.refusal == "" && !c.null {
			m.Content = &c.text
		}
		b.Choices = append(b.Choices, chatChoice{Message: m, FinishReason: c.finish})
	}
	return &answer{status: http.StatusOK, body: append(encode(b, "  "), '\n')}
}

func (c *completion) chatUsage() chatUsage {
	return chatUsage{PromptTokens: c.promptTokens, CompletionTokens: c.answerTokens, TotalTokens: c.promptTokens + c.answerTokens}
}

func chatStream(a *ask, c *completion) *stream {
	usage := json.RawMessage(nil)
	if a.usage {
		usage = json.RawMessage("null")
	}
	chunk := func(usage json.RawMessage, choices ...chatChunkChoice) string {
		return event("", chatChunk{
			ID: "chatcmpl-" + c.id, Object: "chat.completion.chunk", Created: c.created, Model: c.model,
			ServiceTier: "default", Choices: append([]chatChunkChoice{}, choices...), Usage: usage,
		})
	}
	delta := func(fields, finish string) string {
		return chunk(usage, chatChunkChoice{Delta: json.RawMessage(fields), FinishReason: orNull(finish)})
	}
	st := &stream{failure: func(int) []string {
		return []string{event("", map[string]any{"error": serverError().object()})}
	}}
	switch {
	case c.empty:
		st.head = []string{chunk(usage)}
	case c.null:
		st.head = []string{delta(`{"role":"assistant","content":null,"refusal":null}`, "")}
	case c.refusal != "":
		st.head = []string{delta(`{"role":"assistant","content":null,"refusal":""}`, "")}
		for _, piece := range pieces(c.refusal) {
			st.text = append(st.text, delta(`{"refusal":`+string(encode(piece, ""))+`}`, ""))
		}
	default:
		st.head = []string{delta(`{"role":"assistant","content":"","refusal":null}`, "")}
		for _, piece := range pieces(c.text) {
			st.text = append(st.text, delta(`{"content":`+string(encode(piece, ""))+`}`, ""))
		}
	}
	if !c.empty {
		st.tail = append(st.tail, delta(`{}`, c.finish))
	}
	if a.usage {
		st.tail = append(st.tail, chunk(encode(c.chatUsage(), "")))
	}
	st.tail = append(st.tail, "data: [DONE]\n\n")
	return st
}
