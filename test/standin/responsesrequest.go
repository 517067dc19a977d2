package standin

import (
	"encoding/json"
	"strings"
)

// responsesFields are the parameters of POST /v1/responses.
var responsesFields = strings.Fields(`access_programs background context_management conversation include input instructions
	max_output_tokens max_tool_calls metadata model moderation parallel_tool_calls previous_response_id prompt
	prompt_cache_key prompt_cache_options prompt_cache_retention reasoning safety_identifier service_tier store stream
	stream_options temperature text tool_choice tools top_logprobs top_p truncation user`)

// parseResponses reads a request as POST /v1/responses does, and refuses what it refuses.
func parseResponses(body []byte) (*ask, *apiError) {
	var in struct {
		Model           string          `json:"model"`
		Instructions    string          `json:"instructions"`
		Input           json.RawMessage `json:"input"`
		MaxOutputTokens *int            `json:"max_output_tokens"`
		Temperature     *float64        `json:"temperature"`
		Text            struct {
			Format outputFormat `json:"format"`
		} `json:"text"`
		Stream        bool                       `json:"stream"`
		StreamOptions map[string]json.RawMessage `json:"stream_options"`
	}
	a := &ask{}
	unknown := func(name string) *apiError {
		return invalid(name, "unknown_parameter", "Unknown parameter: '%s'.", name)
	}
	if e := a.decode(body, responsesFields, &in, unknown); e != nil {
		return nil, e
	}
	switch {
	case in.Model == "":
		return nil, invalid("model", "missing_required_parameter", "Missing required parameter: 'model'.")
	case in.Input == nil:
		return nil, invalid("input", "missing_required_parameter", "Missing required parameter: 'input'.")
	case in.StreamOptions["include_usage"] != nil:
		return nil, unknown("stream_options.include_usage")
	}
	a.model = in.Model
	a.stream = in.Stream
	a.system = in.Instructions
	messages, e := inputMessages(in.Input)
	if e == nil {
		e = a.setMessages(messages, "input", responsesParts)
	}
	if e != nil {
		return nil, e
	}
	return a, first(
		a.setFormat(in.Text.Format, "text.format", "input"),
		a.setLimit("max_output_tokens", in.MaxOutputTokens, 16),
		checkTemperature(in.Temperature),
	)
}

// inputMessages reads the input: a string, which is a message of the user, or an array of items.
func inputMessages(input json.RawMessage) ([]message, *apiError) {
	var text string
	if json.Unmarshal(input, &text) == nil {
		return []message{{Role: "user", Content: input}}, nil
	}
	var items []message
	if json.Unmarshal(input, &items) != nil {
		return nil, invalid("input", "invalid_type", "Invalid type for 'input': expected one of a string or array of input items, but got something else instead.")
	}
	for i, m := range items {
		if m.Type != "" && m.Type != "message" {
			return nil, invalid("input", "invalid_value", "Invalid value: '%s' of input[%d]: the stand-in knows messages only.", m.Type, i)
		}
	}
	return items, nil
}
