package standin

import (
	"fmt"
	"net/http"
)

// apiError is an error body as the API sends it; null where a string is empty.
type apiError struct {
	status  int
	message string
	kind    string
	param   string
	code    string
}

func (e *apiError) answer() *answer {
	return &answer{status: e.status, body: encode(map[string]any{"error": e.object()}, "    ")}
}

type errorObject struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func (e *apiError) object() errorObject {
	return errorObject{e.message, e.kind, orNull(e.param), orNull(e.code)}
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// invalid is the API's answer to a request that does not fit.
func invalid(param, code, format string, args ...any) *apiError {
	return &apiError{http.StatusBadRequest, fmt.Sprintf(format, args...), "invalid_request_error", param, code}
}

func notJSON() *apiError {
	return invalid("", "", "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you have trouble figuring out how to fix this, please contact us through our help center at help.openai.com.)")
}

func missingKey() *apiError {
	return &apiError{http.StatusUnauthorized, "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY), or as the password field (with blank username) if you're accessing the API from your browser and are prompted for a username and password. You can obtain an API key from https://platform.openai.com/account/api-keys.", "invalid_request_error", "", "invalid_api_key"}
}

// wrongKey quotes the ends of the key, as the API does.
func wrongKey(key string) *apiError {
	masked := key
	if len(key) > 12 {
		masked = key[:8] + "********" + key[len(key)-4:]
	}
	return &apiError{http.StatusUnauthorized, "Incorrect API key provided: " + masked + ". You can find your API key at https://platform.openai.com/account/api-keys.", "invalid_request_error", "", "invalid_api_key"}
}

func modelNotFound(model string) *apiError {
	return &apiError{http.StatusNotFound, fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", model), "invalid_request_error", "", "model_not_found"}
}

func invalidURL(method, path string) *apiError {
	return &apiError{http.StatusNotFound, fmt.Sprintf("Invalid URL (%s %s)", method, path), "invalid_request_error", "", ""}
}

func rateLimited() *apiError {
	return &apiError{http.StatusTooManyRequests, "Rate limit reached for stand-in in organization org-standin on requests per min (RPM): Limit 1, Used 1, Requested 1. Please try again in 1s. Visit https://platform.openai.com/account/rate-limits to learn more.", "requests", "", "rate_limit_exceeded"}
}

func serverError() *apiError {
	return &apiError{http.StatusInternalServerError, "The server had an error while processing your request. Sorry about that!", "server_error", "", ""}
}
