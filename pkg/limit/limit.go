// Package limit paces requests: so many a second, so many a minute, so many
// tokens a minute.
//
// Requests are paced evenly, without a burst: a bucket that held a minute's
// worth would let twice the limit through in the first minute. The pace is
// half a percent below the limit, so that the jitter of the network does not
// push one start too many into a server's window.
//
// Tokens are taken by estimate when a request starts (its size in bytes over
// four, and the mean answer of this run so far) and settled when the usage is
// known. A request that is larger than the bucket is admitted when its whole
// estimate has accrued.
//
// When the server asks one request to wait, the others hold for as long, up to
// five seconds, since they would only be turned away too.
package limit

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"gptpipe/pkg/llm"
)

const (
	safety     = 0.995
	maxHold    = 5 * time.Second
	firstGuess = 300 // tokens of an answer, before any is known
)

// Limits are the paces to keep; 0 is none.
type Limits struct {
	PerSecond       float64 // requests
	PerMinute       float64 // requests
	TokensPerMinute float64
}

// New puts the limits around next. Each call of next is one start.
func New(next llm.Completer, l Limits) llm.Completer {
	c := &limiter{next: next, mean: firstGuess}
	for _, perSecond := range []float64{l.PerSecond, l.PerMinute / 60} {
		if perSecond > 0 {
			c.starts = append(c.starts, rate.NewLimiter(rate.Limit(perSecond*safety), 1))
		}
	}
	if l.TokensPerMinute > 0 {
		perSecond := l.TokensPerMinute / 60
		c.tokens = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
	}
	return c
}

type limiter struct {
	next   llm.Completer
	starts []*rate.Limiter
	tokens *rate.Limiter // burst: one second's worth

	mu   sync.Mutex
	hold time.Time // no start before
	mean float64   // tokens of an answer
}

func (l *limiter) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	estimate := l.estimate(req)
	if err := l.admit(ctx, estimate); err != nil {
		return nil, err
	}
	resp, err := l.next.Complete(ctx, req)
	var e *llm.Error
	switch {
	case resp != nil:
		l.settle(estimate, resp)
	case errors.As(err, &e):
		if e.Type == llm.RateLimit && e.HasWait {
			l.holdFor(min(e.Wait, maxHold))
		}
		l.refund(estimate) // a request that failed used no tokens
	}
	return resp, err
}

// admit waits until the request may start.
func (l *limiter) admit(ctx context.Context, estimate int) error {
	for {
		l.mu.Lock()
		hold := time.Until(l.hold)
		l.mu.Unlock()
		if hold <= 0 {
			break
		}
		if err := sleep(ctx, hold); err != nil {
			return err
		}
	}
	now := time.Now()
	var wait time.Duration
	var taken []*rate.Reservation
	take := func(from *rate.Limiter, n int) {
		for n > 0 { // a reservation is at most a burst
			r := from.ReserveN(now, min(n, from.Burst()))
			taken = append(taken, r)
			wait = max(wait, r.DelayFrom(now))
			n -= from.Burst()
		}
	}
	for _, s := range l.starts {
		take(s, 1)
	}
	if l.tokens != nil {
		take(l.tokens, estimate)
	}
	if err := sleep(ctx, wait); err != nil {
		for _, r := range taken {
			r.Cancel()
		}
		return err
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *limiter) estimate(req *llm.Request) int {
	if l.tokens == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(req.Body)/4 + int(l.mean)
}

// settle corrects an estimate by the real usage, if the server told it.
func (l *limiter) settle(estimate int, resp *llm.Response) {
	if l.tokens == nil {
		return
	}
	input, output := resp.Tokens()
	if input+output == 0 {
		return
	}
	l.mu.Lock()
	l.mean += (float64(output) - l.mean) / 16
	l.mu.Unlock()
	l.refund(estimate - input - output)
}

// refund gives n tokens back, or takes -n more as a debt.
func (l *limiter) refund(n int) {
	if l.tokens == nil {
		return
	}
	now := time.Now()
	if n >= 0 {
		l.tokens.AllowN(now, -n)
		return
	}
	for n = -n; n > 0; n -= l.tokens.Burst() {
		l.tokens.ReserveN(now, min(n, l.tokens.Burst()))
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
