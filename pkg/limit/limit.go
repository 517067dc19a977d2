// Package limit paces requests: so many a second, so many a minute, so many
// tokens a minute.
//
// A Pacer says when a request may start: that of this process alone, or that of
// the hub, which holds the limits over all of the user's processes. How starts
// are spaced is package pace's.
//
// Tokens are taken by estimate when a request starts (from its size in bytes
// and the mean answer of this run so far) and settled when the usage is known.
// A request may start as soon as those before it are paid for, however large
// it is; the next one waits the longer.
//
// When the server asks one request to wait, the others hold for as long, since
// they would only be turned away too: up to an hour if it is for its limits, else
// up to five seconds.
package limit

import (
	"context"
	"math"
	"sync"
	"time"

	"gptpipe/pkg/llm"
)

const (
	maxHold      = time.Hour       // after a limit of the server's was met, which is all requests'
	maxOtherHold = 5 * time.Second // after anything else

	// Before any usage is known.
	firstPerByte = 0.25 // tokens
	firstAnswer  = 300  // tokens
	memory       = 16   // answers that the means are taken over

	// Where requests fail, which takes nothing, less is reserved for each: by 0 all,
	// and much of the limit would not be used; by 1 what they take on average, and
	// minutes with few failures would have too much.
	shareWeight = 0.6
	shareMemory = 64   // requests that the share of the answered ones is taken over
	leastShare  = 0.25 // for an outage ends
)

// A Pacer lets requests start. It is safe for concurrent use.
type Pacer interface {
	// Start waits until a request may start, and answers what was reserved for
	// it, which is to be settled. About how many tokens it will take is asked
	// late, when its turn is near and more is known of those before it. Its error
	// is the cause of ctx.
	Start(ctx context.Context, estimate func() int) (Reservation, error)
	// Settle tells how many tokens a request took.
	Settle(r Reservation, used int)
	// Hold lets nothing start for d.
	Hold(d time.Duration)
	// Users is how many processes it lets start requests just now, this one among
	// them, as far as is known.
	Users(ctx context.Context) int
}

// A Reservation is the tokens that were set aside for a request when it started.
type Reservation struct {
	tokens int
	at     time.Time // zero: nothing was
}

// New puts a pacer around next. Each call of next is one start.
func New(next llm.Completer, p Pacer) llm.Completer {
	return &limiter{next: next, pacer: p, perByte: firstPerByte, answer: firstAnswer, share: 1}
}

type limiter struct {
	next  llm.Completer
	pacer Pacer

	mu              sync.Mutex // guards all below
	known           float64    // answers of known usage, up to memory
	perByte, answer float64    // mean tokens of a byte of a request, and of an answer
	share           float64    // of the requests that are answered; the others take nothing
}

func (l *limiter) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	reserved, err := l.pacer.Start(ctx, func() int { return l.estimate(req) })
	if err != nil {
		return nil, err
	}
	resp, err := l.next.Complete(ctx, req)
	e := llm.Failed(err)
	if wait := held(e); wait > 0 {
		l.pacer.Hold(wait)
	}
	switch {
	case reserved.at.IsZero():
	case resp != nil:
		l.settle(reserved, req, resp)
	case e != nil:
		l.ended(0)
		l.pacer.Settle(reserved, 0) // a request that failed used no tokens
	}
	return resp, err
}

// held is for how long a failure holds all requests.
func held(e *llm.Error) time.Duration {
	switch {
	case e == nil || !e.HasWait:
		return 0
	case e.Type == llm.RateLimit:
		return min(e.Wait, maxHold)
	}
	return min(e.Wait, maxOtherHold)
}

func (l *limiter) estimate(req *llm.Request) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int((l.perByte*float64(len(req.Body)) + l.answer) * math.Pow(max(l.share, leastShare), shareWeight))
}

// ended notes whether a request was answered, 1, or failed, 0.
func (l *limiter) ended(answered float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.share += (answered - l.share) / shareMemory
}

// settle corrects an estimate by the real usage, if the server told it; else the
// estimate stands.
func (l *limiter) settle(r Reservation, req *llm.Request, resp *llm.Response) {
	l.ended(1)
	input, output := resp.Tokens()
	if input+output == 0 {
		l.pacer.Settle(r, r.tokens)
		return
	}
	l.mu.Lock()
	l.known = min(l.known+1, memory)
	l.answer += (float64(output) - l.answer) / l.known
	if len(req.Body) > 0 && input > 0 {
		l.perByte += (float64(input)/float64(len(req.Body)) - l.perByte) / l.known
	}
	l.mu.Unlock()
	l.pacer.Settle(r, input+output)
}
