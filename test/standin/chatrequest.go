package standin

import "strings"

// chatFields are the parameters of POST /v1/chat/completions.
var chatFields = strings.Fields(`messages model audio frequency_penalty function_call functions logit_bias logprobs
	max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction presence_penalty
	prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort response_format safety_identifier seed
	service_tier stop store stream stream_options temperature tool_choice tools top_logprobs top_p user verbosity
	web_search_options`)

// parseChat reads a request as POST /v1/chat/completions does, and refuses what it refuses.
func parseChat(body []byte) (*ask, *apiError) {
	var in struct {
		Model               string       `json:"model"`
		Messages            []message    `json:"messages"`
		MaxTokens           *int         `json:"max_tokens"`
		MaxCompletionTokens *int         `json:"max_completion_tokens"`
		Temperature         *float64     `json:"temperature"`
		Seed                *int64       `json:"seed"`
		ResponseFormat      outputFormat `json:"response_format"`
		Stream              bool         `json:"stream"`
		StreamOptions       *struct {
			IncludeUsage bool `json:"include_usage"`
		} `json:"stream_options"`
	}
	a := &ask{}
	unknown := func(name string) *apiError {
		return invalid("", "", "Unrecognized request argument supplied: %s", name)
	}
	if e := a.decode(body, chatFields, &in, unknown); e != nil {
		return nil, e
	}
	switch {
	case in.Model == "":
		return nil, invalid("", "", "you must provide a model parameter")
	case a.raw["messages"] == nil:
		return nil, invalid("messages", "missing_required_parameter", "Missing required parameter: 'messages'.")
	case len(in.Messages) == 0:
		return nil, invalid("messages", "empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	case in.MaxTokens != nil && in.MaxCompletionTokens != nil:
		return nil, invalid("max_tokens", "invalid_parameter_combination", "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
	case in.MaxTokens != nil && reasons(in.Model):
		return nil, invalid("max_tokens", "unsupported_parameter", "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
	case in.StreamOptions != nil && !in.Stream:
		return nil, invalid("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	}
	a.model = in.Model
	a.stream = in.Stream
	a.usage = in.StreamOptions != nil && in.StreamOptions.IncludeUsage
	if e := a.setMessages(in.Messages, "messages", chatParts); e != nil {
		return nil, e
	}
	return a, first(
		a.setFormat(in.ResponseFormat, "response_format", "messages"),
		a.setLimit("max_tokens", in.MaxTokens, 1),
		a.setLimit("max_completion_tokens", in.MaxCompletionTokens, 1),
		checkTemperature(in.Temperature),
	)
}

// reasons tells the models that refuse max_tokens.
func reasons(model string) bool {
	for _, prefix := range []string{"o1", "o3", "o4", "gpt-5"} {
		if strings.HasPrefix(model, prefix) {
			return true
		}
	}
	return false
}
