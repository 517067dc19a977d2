// Package limit paces requests: so many a second, so many a minute, so many
// tokens a minute.
//
// Requests start one after the other, in order of arrival, each when all
// limits allow it. They are paced evenly, without a burst: a bucket that held
// a minute's worth would let twice the limit through in the first minute. The
// pace is half a percent below the limit, so that the jitter of the network
// does not push one start too many into a server's window.
//
// Tokens are taken by estimate when a request starts (from its size in bytes
// and the mean answer of this run so far) and settled when the usage is known.
// A request may start as soon as those before it are paid for, however large
// it is; the next one waits the longer.
//
// When the server asks one request to wait, the others hold for as long, up to
// five seconds, since they would only be turned away too.
package limit

import (
	"context"
	"errors"
	"sync"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
)

const (
	maxHold = 5 * time.Second

	// Before any usage is known.
	firstPerByte = 0.25 // tokens
	firstAnswer  = 300  // tokens
	memory       = 16   // answers that the means are taken over
)

// New puts the limits around next. Each call of next is one start.
func New(next llm.Completer, limits pace.Limits) llm.Completer {
	l := &limiter{
		next:    next,
		head:    make(chan struct{}, 1),
		earlier: make(chan struct{}, 1),
		account: pace.New(),
		perByte: firstPerByte,
		answer:  firstAnswer,
	}
	l.account.Limit(limits, time.Now())
	return l
}

type limiter struct {
	next    llm.Completer
	head    chan struct{} // holds a token while a request is at the head of the line
	earlier chan struct{} // holds a token when the head may start earlier than it thought

	mu              sync.Mutex // guards all below
	account         *pace.Account
	known           float64 // answers of known usage, up to memory
	perByte, answer float64 // mean tokens of a byte of a request, and of an answer
}

func (l *limiter) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	estimate, err := l.admit(ctx, req)
	if err != nil {
		return nil, err
	}
	resp, err := l.next.Complete(ctx, req)
	var e *llm.Error
	switch {
	case resp != nil:
		l.settle(estimate, req, resp)
	case errors.As(err, &e):
		if e.HasWait {
			l.hold(min(e.Wait, maxHold))
		}
		l.withdraw(-estimate) // a request that failed used no tokens
	}
	return resp, err
}

// admit waits until the request may start, and returns how many tokens it was
// taken to need.
func (l *limiter) admit(ctx context.Context, req *llm.Request) (estimate int, err error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	select {
	case l.head <- struct{}{}:
		defer func() { <-l.head }()
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	for {
		estimate, wait := l.start(time.Now(), req)
		if wait <= 0 {
			return estimate, nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-l.earlier:
			t.Stop()
		case <-ctx.Done():
			t.Stop()
			return 0, context.Cause(ctx)
		}
	}
}

// start takes what the request needs, or says how long to wait first.
func (l *limiter) start(now time.Time, req *llm.Request) (estimate int, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait = max(l.account.Due(now).Sub(now), l.account.Debt(now)); wait > 0 {
		return 0, wait
	}
	estimate = int(l.perByte*float64(len(req.Body)) + l.answer)
	l.account.Start(now)
	l.account.Withdraw(now, estimate)
	return estimate, 0
}

// settle corrects an estimate by the real usage, if the server told it.
func (l *limiter) settle(estimate int, req *llm.Request, resp *llm.Response) {
	input, output := resp.Tokens()
	if input+output == 0 {
		return
	}
	l.mu.Lock()
	l.known = min(l.known+1, memory)
	l.answer += (float64(output) - l.answer) / l.known
	if len(req.Body) > 0 && input > 0 {
		l.perByte += (float64(input)/float64(len(req.Body)) - l.perByte) / l.known
	}
	l.mu.Unlock()
	l.withdraw(input + output - estimate)
}

// withdraw takes n tokens more, or gives -n back.
func (l *limiter) withdraw(n int) {
	l.mu.Lock()
	l.account.Withdraw(time.Now(), n)
	l.mu.Unlock()
	select {
	case l.earlier <- struct{}{}:
	default:
	}
}

// hold lets nothing start for d.
func (l *limiter) hold(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.account.Hold(time.Now().Add(d))
}
