package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/scan"
)

// spent are the codes of a 429 (and whatever else) that no wait mends: the
// account has nothing left.
var spent = map[string]bool{
	"insufficient_quota":                true,
	"credit_balance_exhausted":          true,
	"organization_spend_limit_exceeded": true,
	"project_spend_limit_exceeded":      true,
	"organization_usage_limit_exceeded": true,
	"billing_hard_limit_reached":        true,
	"billing_not_active":                true,
}

// maxErrorBody is as much as is kept of what a server says to a failure, in bytes.
const maxErrorBody = 64 << 10

// httpError says what an answer with a status other than 200 means.
func httpError(status int, h http.Header, body []byte) *llm.Error {
	e, _ := parseError(body)
	e.Status, e.RequestID = status, h.Get("X-Request-Id")
	var whole bytes.Buffer
	if len(body) <= maxErrorBody && scan.First(body) == '{' && json.Compact(&whole, valid(body)) == nil {
		e.Body = whole.Bytes()
	}
	if e.Message == "" && len(body) > len("{}") {
		e.Message = excerpt(firstText(body)) // in words of its own
	}
	if e.Message == "" {
		e.Message = cmp.Or(http.StatusText(status), fmt.Sprint("status ", status))
	}
	if 300 <= status && status < 400 {
		e.Message = "redirects are not followed; it points to " + excerpt(h.Get("Location"))
	}
	classify(e, status)
	switch h.Get("X-Should-Retry") {
	case "true":
		e.Retry = e.Type != llm.Quota // which no wait mends, whatever the server says
	case "false":
		e.Retry = false
	}
	if e.Retry || e.Type == llm.RateLimit {
		e.Wait, e.HasWait = waitOf(status, h)
	}
	return e
}

// bodyError says what an error object in an answer with status 200 means, in
// a stream or where a gateway wrapped a failure.
func bodyError(body []byte) *llm.Error {
	e, kind := parseError(body)
	e.Status = http.StatusOK
	if e.Message == "" {
		e.Message = "the answer is an error that says nothing"
	}
	if n, err := strconv.Atoi(e.Code); err == nil && 400 <= n && n < 600 {
		e.Status = n
		classify(e, n)
		return e
	}
	classify(e, statusOf(e.Code, kind))
	return e
}

// statusOf is the status that an error would have had, had it come before the
// first byte of an answer.
func statusOf(code, kind string) int {
	switch {
	case code == "invalid_api_key":
		return http.StatusUnauthorized
	case code == "rate_limit_exceeded", code == "slow_down":
		return http.StatusTooManyRequests
	case kind == "invalid_request_error", strings.HasPrefix(code, "invalid_"):
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// classify sets the type and whether another attempt may help, from the status
// s, the code and, where servers give neither, the message.
func classify(e *llm.Error, s int) {
	switch {
	case spent[e.Code], s == http.StatusPaymentRequired:
		e.Type = llm.Quota
	case e.Code == "model_not_found", s == http.StatusNotFound && unknownModel(e.Message):
		e.Type, e.Code = llm.Auth, "model_not_found"
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		e.Type = llm.Auth
	case e.Code == "content_filter", e.Code == "content_policy_violation":
		e.Type = llm.ContentFilter
	case s == http.StatusTooManyRequests:
		e.Type, e.Retry, e.Overload = llm.RateLimit, true, e.Code == "slow_down"
	case s == http.StatusRequestTimeout:
		e.Type, e.Retry = llm.Timeout, true
	case s == http.StatusConflict, s >= 500:
		e.Type, e.Retry, e.Overload = llm.Server, true, e.Code == "server_is_overloaded"
	default:
		e.Type = llm.InvalidRequest
	}
}

// unknownModel reads the message of servers that give no code: Ollama, vLLM.
func unknownModel(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "model") && (strings.Contains(m, "not found") || strings.Contains(m, "does not exist"))
}

// parseError reads the forms of error body that are about: OpenAI's object,
// its contents without the wrapper, a bare string, and text. The kind is its
// own word for the type.
func parseError(body []byte) (e *llm.Error, kind string) {
	type object struct {
		Message string          `json:"message"`
		Type    string          `json:"type"`
		Code    json.RawMessage `json:"code"`
	}
	var outer struct {
		Error  json.RawMessage `json:"error"`
		Detail json.RawMessage `json:"detail"` // FastAPI
		// In a failed response of the responses API.
		Response struct {
			Error json.RawMessage `json:"error"`
		} `json:"response"`
		object
	}
	if json.Unmarshal(body, &outer) != nil {
		return &llm.Error{Message: excerpt(firstText(body))}, ""
	}
	inner := outer.object
	raw := outer.Error
	if !present(raw) {
		raw = outer.Response.Error
	}
	if present(raw) && json.Unmarshal(raw, &inner) != nil {
		inner.Message = text(raw)
	}
	if inner.Message == "" && present(outer.Detail) {
		inner.Message = text(outer.Detail)
	}
	code := excerpt(text(inner.Code))
	if !spent[code] && spent[inner.Type] {
		code = inner.Type
	}
	return &llm.Error{Code: code, Message: excerpt(inner.Message)}, inner.Type
}

// text is a JSON string decoded, null as nothing, anything else as it is.
func text(raw json.RawMessage) string {
	var s string
	if !present(raw) {
		return ""
	}
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}

// firstText is the readable beginning of a body that is no JSON: of HTML, the
// words between the tags.
func firstText(body []byte) string {
	if len(body) > 4096 {
		body = body[:4096]
	}
	s := strings.ToValidUTF8(string(body), "\ufffd")
	if !strings.HasPrefix(strings.TrimSpace(s), "<") {
		return s
	}
	var words strings.Builder
	inTag := false
	for _, r := range s {
		switch {
		case r == '<':
			inTag = true
		case r == '>':
			inTag = false
			words.WriteByte(' ')
		case !inTag:
			words.WriteRune(r)
		}
	}
	return words.String()
}

// excerpt folds white space and keeps at most 500 bytes.
func excerpt(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= 500 {
		return s
	}
	cut := 500
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + " …"
}
