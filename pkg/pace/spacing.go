package pace

import (
	"math"
	"time"

	"golang.org/x/time/rate"
)

// safety is how far below a limit on starts the pace is. The half percent keeps the jitter of the
// way to the server from pushing one start too many into its window.
const safety = 0.995

// A spacing spaces starts evenly, by a limiter of burst 1. That alone would lose the time by which each start is late,
// for timers fire late; so the limiter is asked as of the time when the start was due, and what is lost is only what
// exceeds slack.
//
// With a slack of s, a window of w seconds sees no more than 1 + (w+s)·0.995·limit starts, and that is below w·limit+1
// for every s below half a percent of w. Starts are whole, so s may be more the lower the limit is.
type spacing struct {
	limiter *rate.Limiter // nil: no limit
	window  time.Duration
	slack   time.Duration
	last    time.Time // when the last start was due
}

func (p *spacing) limit(perSecond float64) {
	if p.limiter = nil; perSecond > 0 {
		p.limiter = rate.NewLimiter(rate.Limit(perSecond*safety), 1)
		p.limiter.ReserveN(p.last, 1)
	}
}

// due is when the next start may be.
func (p *spacing) due(now time.Time) time.Time {
	if p.limiter == nil {
		return time.Time{}
	}
	from := later(p.last, now.Add(-p.slack))
	return from.Add(wait(p.limiter, from, 1))
}

// start takes the start that is due.
func (p *spacing) start(now time.Time) {
	p.last = later(p.due(now), now.Add(-p.slack))
	if p.limiter != nil {
		p.limiter.ReserveN(p.last, 1)
	}
}

// tolerance is how late a start may be after it was noted: what the limit allows without the slack and as much again for
// the way to the server.
func (p *spacing) tolerance() time.Duration {
	if p.limiter == nil {
		return longest
	}
	starts := math.Floor(float64(p.limiter.Limit())/safety*p.window.Seconds()+1e-9) + 1 // that a window may see
	s := starts/float64(p.limiter.Limit()) - p.window.Seconds()
	if s > longest.Seconds() {
		return longest
	}
	return max(time.Duration(s*float64(time.Second))-2*p.slack, p.slack)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// wait is how long after a time a bucket will hold n.
func wait(l *rate.Limiter, at time.Time, n float64) time.Duration {
	missing := n - l.TokensAt(at)
	if missing <= 0 {
		return 0
	}
	seconds := missing / float64(l.Limit())
	if seconds > longest.Seconds() {
		return longest
	}
	// Rounded up, because there is not quite enough a moment earlier.
	return time.Duration(seconds*float64(time.Second)) + 1
}

// newBucket makes a bucket of tokens, which holds a second's worth and may be in debt.
func newBucket(perMinute float64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(perMinute/60), burst(perMinute))
}

func resize(l *rate.Limiter, perMinute float64, now time.Time) {
	l.SetLimitAt(now, rate.Limit(perMinute/60))
	l.SetBurstAt(now, burst(perMinute))
}

func burst(perMinute float64) int { return int(min(max(perMinute/60, 1), 1<<40)) }

// withdraw takes n tokens from a bucket, more than it holds if need be, or gives -n back.
func withdraw(l *rate.Limiter, now time.Time, n int) {
	burst := l.Burst()
	l.SetBurstAt(now, max(burst, n)) // a reservation is at most a burst
	l.ReserveN(now, n)
	l.SetBurstAt(now, burst)
}
