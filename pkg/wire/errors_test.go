package wire

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"gptpipe/pkg/llm"
)

// Bodies as servers send them beside OpenAI's own, which the stand-in has.
func TestErrorBodies(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		body   string
		want   want
	}{
		{"Ollama, unknown model, its own API", 404, `{"error":"model 'llama9' not found"}`,
			want{llm.Auth, "model_not_found", 404, false, 0, false, "model 'llama9' not found"}},
		{"Ollama, unknown model", 404, `{"error":{"message":"model \"llama9\" not found, try pulling it first","type":"not_found_error","param":null,"code":null}}`,
			want{llm.Auth, "model_not_found", 404, false, 0, false, "try pulling it first"}},
		{"Ollama, busy", 503, `{"error":"server busy, please try again.  maximum pending requests exceeded"}`,
			want{llm.Server, "", 503, true, 0, false, "server busy, please try again. maximum"}},
		{"vLLM, unknown model", 404, `{"object":"error","message":"The model ` + "`llama9`" + ` does not exist.","type":"NotFoundError","param":null,"code":404}`,
			want{llm.Auth, "model_not_found", 404, false, 0, false, "does not exist"}},
		{"vLLM, newer", 404, `{"error":{"message":"The model ` + "`llama9`" + ` does not exist.","type":"NotFoundError","param":"model","code":404}}`,
			want{llm.Auth, "model_not_found", 404, false, 0, false, "does not exist"}},
		{"vLLM, too long", 400, `{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}`,
			want{llm.InvalidRequest, "400", 400, false, 0, false, "maximum context length"}},
		{"FastAPI, a text", 503, `{"detail":"Model is loading"}`,
			want{llm.Server, "", 503, true, 0, false, "Model is loading"}},
		{"FastAPI, a validation", 422, `{"detail":[{"loc":["body","messages"],"msg":"field required","type":"value_error.missing"}]}`,
			want{llm.InvalidRequest, "", 422, false, 0, false, "field required"}},
		{"FastAPI, a wrong path", 404, `{"detail":"Not Found"}`,
			want{llm.InvalidRequest, "", 404, false, 0, false, "Not Found"}},
		{"llama.cpp, loading", 503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`,
			want{llm.Server, "503", 503, true, 0, false, "Loading model"}},
		{"Gemini, in an array", 404, `[{"error":{"code":404,"message":"models/gemini-9 is not found for API version v1main","status":"NOT_FOUND"}}]`,
			want{llm.Auth, "model_not_found", 404, false, 0, false, "models/gemini-9 is not found"}},
		{"OpenAI, the type says that the quota is spent", 429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":null}}`,
			want{llm.Quota, "insufficient_quota", 429, false, 0, false, "current quota"}},
		{"OpenAI, billing stopped", 400, `{"error":{"message":"Billing hard limit has been reached","type":"invalid_request_error","param":null,"code":"billing_hard_limit_reached"}}`,
			want{llm.Quota, "billing_hard_limit_reached", 400, false, 0, false, "hard limit"}},
		{"Azure, filtered", 400, `{"error":{"code":"content_filter","message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`,
			want{llm.ContentFilter, "content_filter", 400, false, 0, false, "was filtered"}},
		{"a code of 429 in words", 429, `{"error":{"code":"429","message":"Too many"}}`,
			want{llm.RateLimit, "429", 429, true, 0, false, "Too many"}},
		{"OpenRouter, a code that is a number", 402, `{"error":{"code":402,"message":"Insufficient credits"}}`,
			want{llm.Quota, "402", 402, false, 0, false, "Insufficient credits"}},
		{"an error that is null", 500, `{"error":null,"message":"boom"}`,
			want{llm.Server, "", 500, true, 0, false, "boom"}},
		{"an error with a message of another type", 500, `{"error":{"message":{"text":"boom"}}}`,
			want{llm.Server, "", 500, true, 0, false, "boom"}},
		{"text", 500, "upstream\n\tconnect error", want{llm.Server, "", 500, true, 0, false, "upstream connect error"}},
		{"HTML", 502, "<!DOCTYPE html>\n<html><head><title>Bad gateway</title></head><body><p>Sorry.</p></body></html>",
			want{llm.Server, "", 502, true, 0, false, "Bad gateway Sorry."}},
		{"nothing", 500, "", want{llm.Server, "", 500, true, 0, false, "Internal Server Error"}},
		{"nothing, with a status that has no name", 529, "", want{llm.Server, "", 529, true, 0, false, "529"}},
		{"JSON that says nothing", 500, "{}", want{llm.Server, "", 500, true, 0, false, "Internal Server Error"}},
		{"JSON in words of its own", 500, `{"reason":"the disk is full"}`, want{llm.Server, "", 500, true, 0, false, "the disk is full"}},
		{"not UTF-8", 500, "caf\xe9 \xff", want{llm.Server, "", 500, true, 0, false, "caf\ufffd"}},
		{"a TLS server asked in plain", 400, "Client sent an HTTP request to an HTTPS server.\n",
			want{llm.InvalidRequest, "", 400, false, 0, false, "HTTPS server"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.want.check(t, httpError(test.status, http.Header{}, []byte(test.body)))
		})
	}
}

// Errors in the body of an answer that has status 200, whole or in a stream.
func TestErrorsWithStatus200(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       want
	}{
		{"a failure of the server", `{"error":{"message":"The server had an error","type":"server_error","code":null}}`,
			want{llm.Server, "", 200, true, 0, false, "had an error"}},
		{"a text", `{"error":"out of memory"}`, want{llm.Server, "", 200, true, 0, false, "out of memory"}},
		{"a gateway's number", `{"error":{"code":502,"message":"Provider returned error"}}`,
			want{llm.Server, "502", 502, true, 0, false, "Provider"}},
		{"a gateway's limit", `{"error":{"code":429,"message":"Provider returned error"}}`,
			want{llm.RateLimit, "429", 429, true, 0, false, "Provider"}},
		{"a gateway's refusal of the key", `{"error":{"code":401,"message":"No auth credentials found"}}`,
			want{llm.Auth, "401", 401, false, 0, false, "credentials"}},
		{"a limit by name", `{"error":{"message":"Rate limit reached","type":"tokens","code":"rate_limit_exceeded"}}`,
			want{llm.RateLimit, "rate_limit_exceeded", 200, true, 0, false, "Rate limit"}},
		{"slow down", `{"error":{"message":"Slow down","type":"requests","code":"slow_down"}}`,
			want{llm.RateLimit, "slow_down", 200, true, 0, true, "Slow down"}},
		{"overloaded", `{"error":{"message":"Overloaded","type":"service_unavailable_error","code":"server_is_overloaded"}}`,
			want{llm.Server, "server_is_overloaded", 200, true, 0, true, "Overloaded"}},
		{"nothing left", `{"error":{"message":"Quota","type":"insufficient_quota","code":"insufficient_quota"}}`,
			want{llm.Quota, "insufficient_quota", 200, false, 0, false, "Quota"}},
		{"a wrong key", `{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}`,
			want{llm.Auth, "invalid_api_key", 200, false, 0, false, "Incorrect"}},
		{"a wrong request", `{"error":{"message":"Too long","type":"invalid_request_error","code":"context_length_exceeded"}}`,
			want{llm.InvalidRequest, "context_length_exceeded", 200, false, 0, false, "Too long"}},
		{"the responses API, an event", `{"type":"error","code":"server_error","message":"Something went wrong","param":null,"sequence_number":1}`,
			want{llm.Server, "server_error", 200, true, 0, false, "went wrong"}},
		{"the responses API, a wrong prompt", `{"id":"resp_1","status":"failed","error":{"code":"invalid_prompt","message":"Invalid prompt"}}`,
			want{llm.InvalidRequest, "invalid_prompt", 200, false, 0, false, "Invalid prompt"}},
		{"nothing said", `{"error":{}}`, want{llm.Server, "", 200, true, 0, false, ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.want.check(t, bodyError([]byte(test.body)))
		})
	}
}

// A server decides what it sends; not how long our messages are.
func TestErrorTextIsBounded(t *testing.T) {
	long := strings.Repeat("數", 4000)
	for name, e := range map[string]*llm.Error{
		"message":  httpError(500, nil, []byte(`{"error":{"message":"`+long+`"}}`)),
		"code":     httpError(500, nil, []byte(`{"error":{"message":"m","code":"`+long+`"}}`)),
		"detail":   httpError(422, nil, []byte(`{"detail":["`+long+`"]}`)),
		"text":     httpError(500, nil, []byte(long)),
		"HTML":     httpError(500, nil, []byte("<p>"+long)),
		"location": httpError(307, http.Header{"Location": {"https://example.org/" + long}}, nil),
	} {
		if n := len(e.Message) + len(e.Code); n == 0 || n > 1200 || !utf8.ValidString(e.Message) {
			t.Errorf("%s: %d bytes: %q", name, n, e.Message)
		}
	}
}
