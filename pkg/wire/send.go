package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/panics"
)

// A Call is a request that is no completion: to the files and batches of a
// provider.
type Call struct {
	Method, Path string // the path is one under the root of the API
	ContentType  string
	Body         io.Reader // or nil
	Length       int64     // of Body
}

// A Sender makes one attempt at a call, as [Client.Send] does.
type Sender interface {
	Send(context.Context, Call) (*http.Response, error)
}

var errIdle = errors.New("nothing was sent or received")

// Send makes one attempt at a call, with the credential and the rules of
// Complete, and returns an answer that has a status of 2xx; its Body is to be
// closed. Errors, those of reading the Body too, are *llm.Error, or the cause
// of ctx or of the client's lifetime. As files take the time they take, the
// timeout is here how long not one byte moves.
func (c *Client) Send(ctx context.Context, call Call) (*http.Response, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	attempt, cancel := context.WithCancelCause(c.lifetime)
	w := &watched{client: c, ctx: attempt, cancel: cancel}
	w.timer = time.AfterFunc(c.timeout, panics.Func(func() { cancel(errIdle) }))
	answer, err := w.roundTrip(call)
	if err != nil {
		w.Close()
		return nil, w.failure(err)
	}
	w.in, answer.Body = answer.Body, w
	if answer.StatusCode/100 == 2 {
		return answer, nil
	}
	defer w.Close()
	body, err := io.ReadAll(io.LimitReader(w, 1<<20))
	if err != nil && len(body) == 0 {
		return nil, err
	}
	return nil, httpError(answer.StatusCode, answer.Header, body)
}

// watched is an exchange that ends when nothing moves any more.
type watched struct {
	client *Client
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	in     io.ReadCloser
}

func (w *watched) roundTrip(call Call) (*http.Response, error) {
	var body io.Reader
	if call.Body != nil {
		body = reading{w, call.Body}
	}
	r, err := http.NewRequestWithContext(w.ctx, call.Method, w.client.root+call.Path, body)
	if err != nil {
		return nil, err
	}
	r.ContentLength = call.Length
	r.Header = maps.Clone(*w.client.header.Load())
	r.Header["Content-Type"] = []string{call.ContentType}
	if call.Body == nil {
		delete(r.Header, "Content-Type")
	}
	answer, err := w.client.transport.RoundTrip(r)
	if err == nil {
		w.client.answered.Store(true)
	}
	return answer, err
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := reading{w, w.in}.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = w.failure(err)
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	w.cancel(nil)
	if w.in == nil {
		return nil
	}
	return w.in.Close()
}

func (w *watched) failure(err error) error {
	c := w.client
	switch {
	case c.lifetime.Err() != nil:
		return context.Cause(c.lifetime)
	case errors.Is(context.Cause(w.ctx), errIdle):
		return &llm.Error{Type: llm.Timeout, Message: fmt.Sprintf("nothing was sent or received for %v", c.timeout), Retry: true, Err: err}
	}
	return c.connectionError(err)
}

// reading puts the end off with each byte that moves.
type reading struct {
	w  *watched
	in io.Reader
}

func (r reading) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	if n > 0 {
		r.w.timer.Reset(r.w.client.timeout)
	}
	return n, err
}

// ReadAnswer reads an answer that came another way, in a file of a batch, by
// the rules of Complete. With status 0 it is the object of an error.
func (c *Client) ReadAnswer(status int, body []byte) (*llm.Response, error) {
	if status == 0 {
		return nil, ReadError(body)
	}
	return c.whole(c.format, status, nil, body, nil)
}

// ReadError reads an error object that came without a status.
func ReadError(object []byte) *llm.Error {
	e := bodyError(append(append([]byte(`{"error":`), object...), '}'))
	if e.Status == http.StatusOK {
		e.Status = 0
	}
	return e
}
