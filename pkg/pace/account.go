// Package pace says when a request may start, so that limits on requests a
// second, requests a minute and tokens a minute hold together.
//
// Starts are spaced evenly, by golang.org/x/time/rate with a burst of 1: a
// bucket that held a minute's worth would let twice the limit through in the
// first minute. Never more than limit + 1 starts fall into any window of a
// second, or sixty, and at least 99 % of the limit is used while there is work.
//
// Tokens are a bucket of one second's worth that may go into debt: a request
// takes its estimate when it starts, however large, and the next one waits
// until that has accrued. That alone would let a minute have as much more than the
// limit as the bucket holds and one request takes. So a request also waits until,
// with it, the last sixty seconds have no more than half a percent above the limit;
// but not if it takes more than a twentieth of that, for too much of the limit would
// be lost: a window of sixty seconds may see one such request too many.
//
// An Account only says and notes; those who wait, and how they are queued, are
// the caller's, who also keeps it from concurrent use.
package pace

import (
	"time"

	"golang.org/x/time/rate"
)

// Limits are the rates to keep; 0 is none.
type Limits struct {
	PerSecond       float64 // requests
	PerMinute       float64 // requests
	TokensPerMinute float64
}

// Half of what spacing allows any limit: the other half is for the way to the server.
const (
	slackPerSecond = 2500 * time.Microsecond
	slackPerMinute = 150 * time.Millisecond
)

// An Account is how far limits have been used.
type Account struct {
	second, minute spacing
	tokens         *rate.Limiter // nil: never limited
	taken          recent        // tokens
	limited        bool          // so are tokens now
	back           int           // tokens given back that the bucket has no room for
	until          time.Time     // nothing starts before
}

// New returns an account without limits, of which nothing has been used.
func New() *Account {
	return &Account{
		second: spacing{window: time.Second, slack: slackPerSecond},
		minute: spacing{window: time.Minute, slack: slackPerMinute},
	}
}

// Limit brings limits into force. What has been used stays used.
func (a *Account) Limit(l Limits, now time.Time) {
	a.second.limit(l.PerSecond)
	a.minute.limit(l.PerMinute / 60)
	a.limited = l.TokensPerMinute > 0
	if a.limited && a.taken.limit != l.TokensPerMinute {
		a.taken = recent{limit: l.TokensPerMinute} // what was taken under another limit is not held against this one
	}
	switch {
	case !a.limited:
	case a.tokens == nil:
		a.tokens = newBucket(l.TokensPerMinute)
	default:
		resize(a.tokens, l.TokensPerMinute, now)
	}
}

// Due is when the next request may start, but for its tokens.
func (a *Account) Due(now time.Time) time.Time {
	return later(a.until, later(a.second.due(now), a.minute.due(now)))
}

// Tolerance is how much later than it was noted a start may be, on its own, for no window to see more than it may.
func (a *Account) Tolerance() time.Duration { return min(a.second.tolerance(), a.minute.tolerance()) }

// Debt is how long it takes until all tokens that were withdrawn have accrued, and a minute has room for n more.
func (a *Account) Debt(now time.Time, n int) time.Duration {
	if !a.limited {
		return 0
	}
	return max(wait(a.tokens, now, 0), a.taken.wait(now, n))
}

// Start notes a start.
func (a *Account) Start(now time.Time) {
	a.second.start(now)
	a.minute.start(now)
}

// Withdraw takes the tokens of a start.
func (a *Account) Withdraw(now time.Time, n int) { a.Correct(now, now, n) }

// Correct takes n more tokens for a request that started at a time, or gives -n
// back. What the bucket has no room for is there for the next start alone, so
// that it does not become a burst. If nobody knows when it started, the zero
// time, the minute keeps what it has.
func (a *Account) Correct(now, started time.Time, n int) {
	if !a.limited {
		return
	}
	a.taken.take(now, started, n)
	if n > 0 {
		n, a.back = max(0, n-a.back), 0
	} else if over := int(a.tokens.TokensAt(now)) - n - a.tokens.Burst(); over > 0 {
		n, a.back = min(0, n+over), over
	}
	withdraw(a.tokens, now, n)
}

// Hold lets nothing start before a time.
func (a *Account) Hold(until time.Time) { a.until = later(a.until, until) }

// Held is how long nothing starts because of a Hold.
func (a *Account) Held(now time.Time) time.Duration { return max(0, a.until.Sub(now)) }
