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
	e, w := parseError(body, maxWrapped)
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
	classify(e, w, status)
	if nowhere(e, w, status) {
		e.Err = errNowhere
	}
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
	e, w := parseError(body, maxWrapped)
	e.Status = http.StatusOK
	if e.Message == "" {
		e.Message = "the answer is an error that says nothing"
	}
	status := statusOf(e.Code, w.kind)
	if n, err := strconv.Atoi(e.Code); err == nil && 400 <= n && n < 600 {
		e.Status, status = n, n
	} else if e.Code == "" && nowhereWords.MatchString(e.Message) { // LM Studio
		status = http.StatusNotFound
	}
	classify(e, w, status)
	if nowhere(e, w, status) {
		e.Err = errNowhere
	}
	return e
}

// statusOf is the status that an error would have had, had it come before the
// first byte of an answer.
func statusOf(code, kind string) int {
	switch {
	case code == llm.InvalidKey:
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
func classify(e *llm.Error, w words, s int) {
	switch {
	case spent[e.Code], s == http.StatusPaymentRequired:
		e.Type = llm.Quota
	case unknownModel(e, w, s):
		e.Type, e.Code = llm.Auth, "model_not_found"
	case refusedKey(e, s):
		e.Type, e.Code = llm.Auth, llm.InvalidKey
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

// words are what an error body says beside code and message.
type words struct {
	kind   string // the server's own word for the type
	param  string // what of the request it is about
	object bool   // it is an error object with a message
}

// maxWrapped is how many bodies within another are looked into: gateways repeat
// that of the server behind them as their message.
const maxWrapped = 3

// parseError reads the forms of error body that are about: OpenAI's object, its
// contents without the wrapper, one in an array, a bare string, and text.
func parseError(body []byte, depth int) (*llm.Error, words) {
	type object struct {
		Message json.RawMessage `json:"message"`
		Type    json.RawMessage `json:"type"`
		Param   json.RawMessage `json:"param"`
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
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0] // Gemini
	}
	if json.Unmarshal(body, &outer) != nil {
		return &llm.Error{Message: excerpt(firstText(body))}, words{}
	}
	inner := outer.object
	raw := outer.Error
	if !present(raw) {
		raw = outer.Response.Error
	}
	if present(raw) && json.Unmarshal(raw, &inner) != nil {
		inner.Message = raw
	}
	message := cmp.Or(text(inner.Message), text(outer.Detail))
	w := words{text(inner.Type), text(inner.Param), message != ""}
	e := &llm.Error{Code: excerpt(text(inner.Code)), Message: excerpt(message)}
	if !spent[e.Code] && spent[w.kind] {
		e.Code = w.kind
	}
	if depth > 0 && scan.First([]byte(message)) == '{' {
		if within, more := parseError([]byte(message), depth-1); more.object {
			e.Message, w.kind, w.param = within.Message, cmp.Or(more.kind, w.kind), cmp.Or(more.param, w.param)
			e.Code = cmp.Or(within.Code, e.Code)
		}
	}
	return e, w
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
