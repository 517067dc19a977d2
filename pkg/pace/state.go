package pace

import (
	"math"
	"time"
)

// A State is what must be remembered of an account for it to go on elsewhere, as of one moment.
type State struct {
	Second, Minute time.Duration // since the last start, for each of the two limits on starts
	Hold           time.Duration // until the next may be
	Tokens         float64       // in the bucket; below 0: owed
	TokenRate      float64       // into it a minute; 0: tokens were never limited
}

// longest is as good as for ever, for a wait or the age of a start.
const longest = 365 * 24 * time.Hour

// State answers the account's state.
func (a *Account) State(now time.Time) State {
	s := State{
		Second: min(now.Sub(a.second.last), longest),
		Minute: min(now.Sub(a.minute.last), longest),
		Hold:   max(0, a.until.Sub(now)),
	}
	if a.tokens != nil {
		s.Tokens, s.TokenRate = a.tokens.TokensAt(now), float64(a.tokens.Limit())*60
	}
	return s
}

// Restore makes the account that had the state at a time, without limits in force.
func Restore(s State, at time.Time) *Account {
	a := New()
	a.second.last, a.minute.last = at.Add(-s.Second), at.Add(-s.Minute)
	a.until = at.Add(s.Hold)
	if s.TokenRate > 0 {
		a.tokens = newBucket(s.TokenRate)
		withdraw(a.tokens, at, int(math.Ceil(float64(a.tokens.Burst())-s.Tokens)))
	}
	return a
}
