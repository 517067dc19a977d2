package wire

import (
	"net/http"
	"regexp"
	"strings"

	"gptpipe/pkg/llm"
)

// What concerns every request alike is said with all kinds of status, codes and
// words; the tests have the bodies. To miss some costs a failure for each
// record; to see it where a server has spoken of one record ends a run that was
// well. So the words have to be what the message begins with, for what comes
// later may repeat the request, and be about nothing but the model or the key.

// noModel are the codes and types, in lower case, of servers that do not have
// the model, or not for this account.
var noModel = map[string]bool{
	"model_not_found":                true,
	"invalid_model":                  true, // Mistral, Perplexity
	"unknown_model":                  true, // GitHub Models
	"model_not_supported":            true, // Hugging Face, GitHub Copilot
	"model_not_available":            true, // Together
	"dedicated_endpoint_not_running": true, // Together
	"model_decommissioned":           true, // Groq
	"deploymentnotfound":             true, // Azure
}

// wrapped is what gateways write before the words of the server behind them.
const wrapped = `^(?:400: \{'error': '|[^'"\x60{\[]{0,80}[:-] )?`

var noModelWords = regexp.MustCompile(`(?i)` + wrapped + `(?:` + strings.Join([]string{
	`(?:(?:the|that|this|publisher|requested|provided|specified) )*models?:?(?: name| id| identifier)?(?:[ /]\S+)? (?:(?:is|was) )?(?:not found|not loaded|not exist|does not exist|has been (?:decommissioned|deprecated|retired))\b`,
	`(?:(?:the|provided|specified) )*model (?:name|id|identifier)(?: \S+)? is invalid`,
	`the requested model(?: \S+)? is not supported`,
	`(?:invalid|unknown|unavailable|no such) model(?: name| id| identifier)?(?:$|[:.,;]| ['"\x60]| passed in)`,
	`\S+ is not a valid model(?: name| id| identifier)?(?:$|[:.,;])`,
	`no models? (?:is |are )?loaded\b`,
	`no endpoints found for (?:this model|\S+/\S+?)\.?$`,
	`unable to access (?:non-serverless )?model \S`,
	`the api deployment for this resource does not exist`,
}, "|") + `)`)

// anthropicModel is all that Anthropic says of a model that it does not have.
var anthropicModel = regexp.MustCompile(`^model: \S+$`)

// unknownModel reports whether a server does not have the model.
func unknownModel(e *llm.Error, w words, status int) bool {
	switch {
	case e.Code == "model_not_found":
		return true
	case status == http.StatusTooManyRequests || status >= 500: // for now
		return false
	case noModel[strings.ToLower(e.Code)], noModel[w.kind]:
		return true
	case status != http.StatusBadRequest && status != http.StatusNotFound:
		return false
	case w.param != "" && w.param != "None" && w.param != "model": // LiteLLM says None
		return false
	case noModelWords.MatchString(e.Message):
		return true
	case status != http.StatusNotFound || !w.object:
		return false
	}
	return w.param == "model" || anthropicModel.MatchString(e.Message) || modelIsMissing(e.Message)
}

// modelIsMissing judges a message more freely, as it may be where an API says that
// something was not found. A page of a proxy may have the word in the name of its host.
func modelIsMissing(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "model") && (strings.Contains(m, "not found") || strings.Contains(m, "does not exist"))
}

// noKeyWords are of servers that refuse a key with 400: Gemini, xAI.
var noKeyWords = regexp.MustCompile(`(?i)` + wrapped + `(?:api key (?:is )?(?:not valid|not found|invalid|expired)\b|(?:incorrect|invalid) api key\b|missing or invalid authorization header)`)

func refusedKey(e *llm.Error, status int) bool {
	return status == http.StatusBadRequest && (e.Code == llm.InvalidKey || noKeyWords.MatchString(e.Message))
}
