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
)

const (
	safety  = 0.995
	maxHold = 5 * time.Second

	// A start that comes late, because a timer did, is made up for within
	// this part of the window: half of what safety leaves.
	slackPart = 400

	// Before any usage is known.
	firstPerByte = 0.25 // tokens
	firstAnswer  = 300  // tokens
	memory       = 16   // answers that the means are taken over
)

// Limits are the paces to keep; 0 is none.
type Limits struct {
	PerSecond       float64 // requests
	PerMinute       float64 // requests
	TokensPerMinute float64
}

// New puts the limits around next. Each call of next is one start.
func New(next llm.Completer, l Limits) llm.Completer {
	c := &limiter{
		next:    next,
		head:    make(chan struct{}, 1),
		earlier: make(chan struct{}, 1),
		perByte: firstPerByte,
		answer:  firstAnswer,
	}
	if l.PerSecond > 0 {
		c.starts = append(c.starts, newPace(safety*l.PerSecond, time.Second/slackPart))
	}
	if l.PerMinute > 0 {
		c.starts = append(c.starts, newPace(safety*l.PerMinute/60, time.Minute/slackPart))
	}
	if l.TokensPerMinute > 0 {
		c.tokens = newPace(l.TokensPerMinute/60, time.Second)
	}
	return c
}

type limiter struct {
	next    llm.Completer
	head    chan struct{} // holds a token while a request is at the head of the line
	earlier chan struct{} // holds a token when the head may start earlier than it thought

	mu     sync.Mutex // guards all below
	starts []*pace
	tokens *pace     // or nil
	hold   time.Time // no start before

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
			l.holdFor(min(e.Wait, maxHold))
		}
		l.giveBack(estimate) // a request that failed used no tokens
	}
	return resp, err
}

// admit waits until the request may start, and returns how many tokens it was
// taken to need.
func (l *limiter) admit(ctx context.Context, req *llm.Request) (estimate float64, err error) {
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
func (l *limiter) start(now time.Time, req *llm.Request) (estimate float64, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait = l.hold.Sub(now)
	for _, p := range l.starts {
		wait = max(wait, p.wait(now))
	}
	if l.tokens != nil {
		wait = max(wait, l.tokens.wait(now))
		estimate = l.perByte*float64(len(req.Body)) + l.answer
	}
	if wait > 0 {
		return 0, wait
	}
	for _, p := range l.starts {
		p.take(now, 1)
	}
	if l.tokens != nil {
		l.tokens.take(now, estimate)
	}
	return estimate, 0
}

// settle corrects an estimate by the real usage, if the server told it.
func (l *limiter) settle(estimate float64, req *llm.Request, resp *llm.Response) {
	input, output := resp.Tokens()
	if l.tokens == nil || input+output == 0 {
		return
	}
	l.mu.Lock()
	l.known = min(l.known+1, memory)
	l.answer += (float64(output) - l.answer) / l.known
	if len(req.Body) > 0 && input > 0 {
		l.perByte += (float64(input)/float64(len(req.Body)) - l.perByte) / l.known
	}
	l.mu.Unlock()
	l.giveBack(estimate - float64(input+output))
}

// giveBack gives n tokens back, or takes -n more as a debt.
func (l *limiter) giveBack(n float64) {
	if l.tokens == nil {
		return
	}
	l.mu.Lock()
	l.tokens.giveBack(time.Now(), n)
	l.mu.Unlock()
	select {
	case l.earlier <- struct{}{}:
	default:
	}
}

// holdFor lets nothing start for d.
func (l *limiter) holdFor(d time.Duration) {
	until := time.Now().Add(d)
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.hold) {
		l.hold = until
	}
}
