// Package llm is the vocabulary of asking a language model: what is asked, what
// comes back, what can go wrong, and Completer, the interface of one method
// that the cache, the retries, the limits and the wire all implement, so that
// each can stand around the next.
package llm

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"
	"time"
)

// A Completer answers a request. Implementations are safe for concurrent use.
//
// ctx governs what has not begun: when it ends, no attempt is started and no
// wait goes on, but an attempt under way is finished, for it will be paid for.
//
// An answer that was paid for and cannot be used comes back together with its
// error, so that it can be stored as what it is. Errors of the exchange are
// *Error, unwrapped; any other error is that of ctx or a fault of this machine.
type Completer interface {
	Complete(ctx context.Context, req *Request) (*Response, error)
}

// Func makes a function a Completer.
type Func func(context.Context, *Request) (*Response, error)

// Complete calls f.
func (f Func) Complete(ctx context.Context, req *Request) (*Response, error) { return f(ctx, req) }

// A Message is one turn of a conversation.
type Message struct {
	Role    string // system, user, assistant, …
	Content string
	Images  []string // data URLs, shown after Content
}

// A Prompt is what is asked, before it is encoded for one kind of server.
type Prompt struct {
	Messages []Message
	Params
}

// Params are the parameters that all requests of a run share.
type Params struct {
	Model       string
	Temperature *float64
	MaxTokens   int // 0: the server's default
	Seed        *int64
	JSON        bool            // the answer is to be JSON
	Schema      json.RawMessage // the JSON Schema that the answer is to fit, or nil
	Options     []Option        // further fields of the request, each key once
}

// An Option is a field of the request body that no parameter covers.
type Option struct {
	Key   string
	Value json.RawMessage
}

// A Request is a prompt encoded for an endpoint: built once, sent as often as
// retries need.
type Request struct {
	Model  string
	Body   []byte // the JSON body in canonical form, without streaming
	Sample int    // tells deliberate repetitions apart in the cache

	// Path, if not empty, is where the request goes under the API's root. Its
	// answer is nothing but its Body.
	Path string

	Again bool // a failure that is stored is no answer: see Takes

	// Divides says that whoever asks has a better way than another attempt where
	// the server has failed over the request: to divide it.
	Divides bool

	// OnDelta, if not nil, has the answer streamed: it receives the pieces as
	// they arrive, from one goroutine. Once it has been called, the request
	// is not tried again.
	OnDelta func(text string)
}

// Takes reports whether a stored response answers the request.
func (r *Request) Takes(stored *Response) bool { return !r.Again || stored.Err() == nil }

// A Response is a whole answer.
type Response struct {
	Text         string          `json:"text"`
	Model        string          `json:"model,omitempty"`
	FinishReason string          `json:"finish_reason,omitempty"` // as in chat completions: stop, length, …
	Refusal      string          `json:"refusal,omitempty"`
	Usage        json.RawMessage `json:"usage,omitempty"` // the server's own object
	Body         json.RawMessage `json:"body,omitempty"`  // all of it, where the request has a Path
	RequestID    string          `json:"request_id,omitempty"`

	// What the server said of its limits; not stored.
	Allowed struct{ Requests, Tokens Allowance } `json:"-"`

	// How it came here; not stored.
	Cached   bool          `json:"-"`
	Attempts int           `json:"-"`
	Elapsed  time.Duration `json:"-"` // of the last attempt
}

// An Allowance is how much a server says that it takes until a limit of its own
// is as if nothing had been asked. The zero value says nothing.
type Allowance struct {
	Remaining float64
	Reset     time.Duration // until all of it remains; 0: nothing is known
}

// Stored reads a response that was stored as its JSON, and marks it as cached.
// What it cannot read is none.
func Stored(value []byte) (*Response, bool) {
	var stored struct {
		Response
		Text *string `json:"text"` // there in all that was stored
	}
	if json.Unmarshal(value, &stored) != nil || stored.Text == nil {
		return nil, false
	}
	stored.Response.Text, stored.Cached = *stored.Text, true
	return &stored.Response, true
}

// AsStored is the JSON that Stored reads. What came as JSON from the server keeps
// its bytes, so that it is the same from the store; json.Marshal would escape it
// for HTML.
func (r *Response) AsStored() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(r)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// mostTokens is more than the context of any model.
const mostTokens = 4 << 20

// Tokens reads input and output tokens from the usage, in the words of either
// API; 0 where it does not say, or says what cannot be.
func (r *Response) Tokens() (input, output int) {
	input = max(number(r.Usage, `"prompt_tokens"`), number(r.Usage, `"input_tokens"`))
	output = max(number(r.Usage, `"completion_tokens"`), number(r.Usage, `"output_tokens"`))
	if min(input, output) < 0 || max(input, output) > mostTokens {
		return 0, 0 // a server that lies would hold up the limits for years
	}
	return input, output
}

// number finds a number of the usage, an object without strings, by its name in
// quotes. It is done with every answer, and encoding/json takes four times as long.
func number(usage []byte, name string) int {
	_, value, ok := bytes.Cut(usage, []byte(name))
	if !ok {
		return 0
	}
	value, _ = bytes.CutPrefix(bytes.TrimLeft(value, " \t\r\n"), []byte(":"))
	value = bytes.TrimLeft(value, " \t\r\n")
	end := 0
	for end < len(value) && (value[end] >= '0' && value[end] <= '9' || value[end] == '-') {
		end++
	}
	n, _ := strconv.Atoi(string(value[:end]))
	return n
}

// Err is the failure that an answer amounts to although the server called it
// a success: one that was cut, filtered or refused.
func (r *Response) Err() error {
	switch {
	case r.FinishReason == "length":
		return &Error{Type: Length, Message: "the answer was cut at the token limit"}
	case r.FinishReason == "content_filter":
		return &Error{Type: ContentFilter, Message: "the answer was held back by the content filter"}
	case r.Refusal != "":
		return &Error{Type: Refusal, Message: r.Refusal}
	}
	return nil
}
