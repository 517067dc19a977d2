// Package auth keeps a run going while its credential changes: a request that
// the server refuses for its key is asked again with the key that has taken the
// place of the refused one, and an access token that is about to expire is
// renewed before it is sent.
//
// A refused request has cost nothing, is no retry and no failure. It goes
// through the limits again, as every attempt does.
package auth

import (
	"context"
	"errors"
	"net/http"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
)

// A Source is where credentials come from. It is safe for concurrent use.
type Source interface {
	// Secret answers the credential to be used now, after it has been renewed if
	// it has expired.
	Secret(ctx context.Context) (string, error)
	// Replaced reports whether there is another credential than the one that the
	// server has refused; from then on Secret answers that one.
	Replaced(ctx context.Context, refused string) (bool, error)
}

// most is how many credentials a request is tried with.
const most = 3

// New puts renewals around next, which sends what Secret answers.
func New(next llm.Completer, s Source) llm.Completer {
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		for try := 1; ; try++ {
			secret, err := s.Secret(ctx)
			if err != nil {
				return nil, failure(ctx, err)
			}
			resp, err := next.Complete(ctx, req)
			if !refused(err) || try == most {
				return resp, err
			}
			again, why := s.Replaced(ctx, secret)
			switch {
			case why != nil:
				return resp, failure(ctx, why)
			case !again:
				return resp, err
			}
		}
	})
}

// NewSender puts renewals around next. A refused call is an error that may be
// retried, since its body has been read.
func NewSender(next wire.Sender, s Source) wire.Sender { return &sender{next, s} }

type sender struct {
	next   wire.Sender
	source Source
}

func (s *sender) Send(ctx context.Context, call wire.Call) (*http.Response, error) {
	secret, err := s.source.Secret(ctx)
	if err != nil {
		return nil, failure(ctx, err)
	}
	answer, err := s.next.Send(ctx, call)
	if !refused(err) {
		return answer, err
	}
	again, why := s.source.Replaced(ctx, secret)
	if why != nil {
		return nil, failure(ctx, why)
	}
	if e := llm.Failed(err); again && e != nil {
		e.Type, e.Retry, e.HasWait = llm.Connection, true, true
	}
	return nil, err
}

func refused(err error) bool {
	e := llm.Failed(err)
	return e != nil && e.KeyRefused()
}

// failure is the error of a run that has no credential any more. Where one
// could not be had for now, it may be retried.
func failure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var passing interface{ Temporary() bool }
	if errors.As(err, &passing) && passing.Temporary() {
		return &llm.Error{Type: llm.Connection, Message: err.Error(), Retry: true, Err: err}
	}
	return &llm.Error{Type: llm.Auth, Message: err.Error(), Err: err}
}
