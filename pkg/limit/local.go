package limit

import (
	"context"
	"sync"
	"time"

	"gptpipe/pkg/pace"
)

// Local is a pacer for this process alone. Requests start one after the other,
// in order of arrival.
func Local(limits pace.Limits) Pacer { return newLocal(limits) }

func newLocal(limits pace.Limits) *local {
	l := &local{
		head:     make(chan struct{}, 1),
		earlier:  make(chan struct{}, 1),
		reserves: limits.TokensPerMinute > 0,
		account:  pace.New(),
	}
	l.account.Limit(limits, time.Now())
	return l
}

type local struct {
	head    chan struct{} // holds a token while a request is at the head of the line
	earlier chan struct{} // holds a token when the head may start earlier than it thought

	reserves bool // tokens

	mu      sync.Mutex // guards account
	account *pace.Account
}

// Start implements Pacer.
func (l *local) Start(ctx context.Context, estimate func() int) (Reservation, error) {
	if ctx.Err() != nil {
		return Reservation{}, context.Cause(ctx)
	}
	select {
	case l.head <- struct{}{}:
		defer func() { <-l.head }()
	case <-ctx.Done():
		return Reservation{}, context.Cause(ctx)
	}
	for {
		now, tokens := time.Now(), estimate()
		wait := l.start(now, tokens)
		switch {
		case wait > 0:
		case l.reserves:
			return Reservation{tokens, now}, nil
		default:
			return Reservation{}, nil
		}
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-l.earlier:
			t.Stop()
		case <-ctx.Done():
			t.Stop()
			return Reservation{}, context.Cause(ctx)
		}
	}
}

// start notes a start, or says how long to wait first.
func (l *local) start(now time.Time, tokens int) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait = max(l.account.Due(now).Sub(now), l.account.Debt(now, tokens)); wait > 0 {
		return wait
	}
	l.account.Start(now)
	l.account.Withdraw(now, tokens)
	return 0
}

// limit brings other limits on requests into force.
func (l *local) limit(limits pace.Limits, now time.Time) {
	l.mu.Lock()
	l.account.Limit(limits, now)
	l.mu.Unlock()
	l.wake()
}

// Settle implements Pacer.
func (l *local) Settle(r Reservation, used int) {
	l.mu.Lock()
	l.account.Correct(time.Now(), r.at, used-r.tokens)
	l.mu.Unlock()
	l.wake()
}

// wake has the head of the line look again when it may start.
func (l *local) wake() {
	select {
	case l.earlier <- struct{}{}:
	default:
	}
}

// Users implements Pacer.
func (l *local) Users(context.Context) int { return 1 }

// Hold implements Pacer.
func (l *local) Hold(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.account.Hold(time.Now().Add(d))
}
