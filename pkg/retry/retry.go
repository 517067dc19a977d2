// Package retry asks again where that may help, and no more than is good for
// the server.
//
// A wait that the server asks for is kept to the letter, and if it is longer
// than the user allows, that is a *llm.WaitError. Otherwise the wait is an
// exponential backoff with full jitter: anything up to half a second, doubled
// with each attempt, at most 8 s (Marc Brooker, "Exponential Backoff And
// Jitter", AWS Architecture Blog, 2015).
//
// All requests share a retry budget, as in the AWS SDKs: each retry takes one
// from it, each success gives one back, and ten a second grow anew. When a
// server is down, the retries of a thousand jobs wait for their turn instead
// of becoming a storm. Unlike there, an empty budget delays and does not fail.
package retry

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/time/rate"

	"gptpipe/pkg/llm"
)

const (
	firstBackoff = 500 * time.Millisecond
	maxBackoff   = 8 * time.Second
	budgetRate   = 10 // retries a second that an empty budget still grants
	budgetLeast  = 100
)

// Options are how often and how long.
type Options struct {
	Retries int           // attempts after the first
	MaxWait time.Duration // the longest wait that a server may ask for
	Jobs    int           // requests at once, which the budget is sized by

	// Report, if not nil, is told of each wait before it begins, and which model
	// was asked.
	Report func(model string, why *llm.Error, wait time.Duration)
}

// New puts retries around next.
func New(next llm.Completer, o Options) llm.Completer {
	return &retrier{next, o, rate.NewLimiter(budgetRate, max(budgetLeast, 2*o.Jobs))}
}

type retrier struct {
	next   llm.Completer
	o      Options
	budget *rate.Limiter
}

func (r *retrier) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	again := true // what may be the same each time has not come yet
	for attempt := 1; ; attempt++ {
		resp, err := r.next.Complete(ctx, req)
		if resp != nil {
			resp.Attempts = attempt
		}
		if err == nil {
			r.budget.ReserveN(time.Now(), -1) // AllowN gives nothing back while others wait
			return resp, nil
		}
		e := llm.Failed(err)
		if e == nil {
			return resp, err
		}
		e.Attempts = attempt
		if !e.Retry || e.OnceMore && !again || req.Divides && e.OverRequest() {
			return resp, e
		}
		again = again && !e.OnceMore
		wait := e.Wait
		switch {
		case !e.HasWait:
			wait = rand.N(min(firstBackoff<<min(attempt-1, 10), maxBackoff))
		case wait > r.o.MaxWait:
			return resp, &llm.WaitError{Wait: wait, Max: r.o.MaxWait, Err: e}
		}
		if attempt > r.o.Retries {
			return resp, e
		}
		if r.o.Report != nil {
			r.o.Report(req.Model, e, wait)
		}
		if err := r.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

func (r *retrier) sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := r.budget.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}
