package standin

import (
	"net/http"
	"strconv"
	"time"
)

// Call is what decides about a fault.
type Call struct {
	N    int // number of the request, from 1
	Seen int // how many requests before it had this very body
	Path string
	Body []byte
}

// Faults picks what goes wrong with a request. It is called for several requests at once.
type Faults func(Call) Fault

// Fault is one way for an answer to go wrong; the zero Fault is none. [ParseFault] makes the others.
type Fault struct {
	text       string // as it was written
	kind       string
	status     int               // of kind "status"
	code       string            // error code, instead of the usual one of that status
	amount     int               // how much is sent before a cut; -1: half
	slow       time.Duration     // wait before the answer
	gap        time.Duration     // of kind "drip": wait between two bytes
	retryAfter time.Duration     // wait told as an HTTP date; 0: not told
	header     map[string]string // of the answer
}

// String is the text that the fault was parsed from.
func (f Fault) String() string { return f.text }

// instead reports whether the fault takes the place of an answer, rather than spoiling one.
func (f Fault) instead() bool {
	switch f.kind {
	case "status", "reset", "hang", "redirect", "huge":
		return true
	}
	return false
}

// spoils reports whether a client is right to ask again.
func (f Fault) spoils(a *answer, r *http.Request) bool {
	switch f.kind {
	case "", "ok", "length", "content-filter", "refusal", "drip", "wrong-type":
		return false
	case "gzip":
		return r.Header.Get("Accept-Encoding") == ""
	case "bom", "trailing-garbage":
		return a.stream == nil // a reader of events skips the one and never comes to the other
	}
	return true
}

// bend changes what the model says.
func (f Fault) bend(a *ask, c *completion) {
	half := cut(c.text, len(c.text)/2)
	switch f.kind {
	case "null-content":
		c.null = true
	case "empty-choices":
		c.empty = true
	case "length":
		c.text, c.finish = half, "length"
	case "content-filter":
		c.text, c.finish = half, "content_filter"
	case "refusal":
		c.refusal = "I'm sorry, I can't assist with that request."
	case "not-json-answer":
		c.text = "Sure! Here is the JSON you asked for:\n```json\n{\"answer\": "
	case "schema-mismatch":
		c.text = string(encode(a.schema.wrong(), ""))
	}
}

// setHeader adds what the fault says in the header of the answer.
func (f Fault) setHeader(h http.Header) {
	for name, value := range f.header {
		h.Set(name, value)
	}
	if f.retryAfter > 0 {
		// HTTP dates have whole seconds: round up, so that the wait is not shorter than what was asked for.
		at := time.Now().Add(f.retryAfter + time.Second - 1).UTC()
		h.Set("Retry-After", at.Format(http.TimeFormat))
	}
}

// before is how many of n pieces are sent before a cut.
func (f Fault) before(n int) int {
	if f.amount < 0 {
		return (n + 1) / 2
	}
	return min(f.amount, n)
}

// statusKind returns the fault that a status or the name of an error stands for.
func statusKind(name string) (status int, code string, ok bool) {
	switch name {
	case "insufficient_quota", "slow_down":
		return http.StatusTooManyRequests, name, true
	case "server_is_overloaded":
		return http.StatusServiceUnavailable, name, true
	}
	status, err := strconv.Atoi(name)
	return status, "", err == nil && status >= 400 && status <= 599
}

// kinds are the faults that are not a status, and whether they take a number after the equals sign.
var kinds = map[string]bool{
	"ok": false, "reset": false, "hang": false, "redirect": false, "huge": false,
	"null-content": false, "empty-choices": false, "length": false, "content-filter": false, "refusal": false,
	"not-json-answer": false, "schema-mismatch": false,
	"cut-body": true, "cut-stream": true, "error-in-stream": true,
	"bad-json": false, "empty-body": false, "wrong-type": false, "gzip": false, "bom": false, "trailing-garbage": false,
}
