package llm

import (
	"fmt"
	"time"
)

// A Type is the kind of an Error: the error.type of gpt-record(5).
type Type string

// The types of error that asking a model can end in.
const (
	InvalidRequest Type = "invalid_request"
	Auth           Type = "auth"
	RateLimit      Type = "rate_limit"
	Quota          Type = "quota"
	Server         Type = "server"
	Timeout        Type = "timeout"
	Connection     Type = "connection"
	BadResponse    Type = "bad_response"
	Length         Type = "length"
	ContentFilter  Type = "content_filter"
	Refusal        Type = "refusal"
	Schema         Type = "schema"
)

// An Error is why a request has no usable answer.
type Error struct {
	Type    Type
	Code    string // the server's own code, or empty
	Status  int    // HTTP status, or 0
	Message string

	// What the server sent with a status other than 200, if it is a JSON object
	// of no great size, and the number that it gave to the request.
	Body      []byte
	RequestID string

	Retry    bool          // another attempt may succeed
	Wait     time.Duration // how long to wait before it, if HasWait: the server's word
	HasWait  bool
	OnceMore bool // with Retry: one such attempt more at most, for the answer may be the same each time, and is paid for
	Overload bool // the server asks everybody to slow down
	Fatal    bool // no request gets any further than this one

	// Attempts is how often it was asked in all.
	Attempts int

	Err error // the cause, or nil
}

// Failed is the failure of an attempt, or nil if err is none. It looks at err
// alone and not at what that wraps: why a run has ended may hold the failure of
// another request, which nobody but that one is to act on.
func Failed(err error) *Error {
	e, _ := err.(*Error)
	return e
}

func (e *Error) Error() string {
	text := string(e.Type)
	if e.Status != 0 {
		text += fmt.Sprintf(" (%d)", e.Status)
	}
	return text + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Final reports whether the error concerns every request alike, so that the
// run is to stop: the credential or the model was refused, the quota spent, the
// server is not to be trusted, or has no API where it was asked.
func (e *Error) Final() bool { return e.Type == Auth || e.Type == Quota || e.Fatal }

// InvalidKey is the code of a key that was refused, whatever the status.
const InvalidKey = "invalid_api_key"

// KeyRefused reports whether the server has refused the key, and may take another.
func (e *Error) KeyRefused() bool { return e.Status == 401 || e.Type == Auth && e.Code == InvalidKey }

// OverRequest reports whether the server has failed, and may have failed over
// what it was asked: with status 500, as llama.cpp does when a text for an
// embedding is too long. Other failures of a server, such as 502, 503 and 504,
// say nothing of the request.
func (e *Error) OverRequest() bool { return e.Type == Server && e.Status == 500 && !e.Overload }

// A WaitError is a wait that the server asked for and that is longer than the
// user allows: the run stops, to go on another time.
type WaitError struct {
	Wait, Max time.Duration
	Err       error // the server's error
}

func (e *WaitError) Error() string {
	return fmt.Sprintf("the server asks to wait %v, longer than --max-wait %v: %v", e.Wait.Round(time.Second), e.Max, e.Err)
}

func (e *WaitError) Unwrap() error { return e.Err }
