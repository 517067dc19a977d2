package limit

import "time"

const (
	mostTimes = 2048                  // that are remembered
	instant   = 50 * time.Millisecond // in which there is no rate
)

// times are when things happened last, in a ring that grows up to mostTimes.
type times struct {
	at []time.Time
	n  int // in all
}

func (t *times) add(now time.Time) {
	if len(t.at) < mostTimes {
		t.at = append(t.at, now)
	} else {
		t.at[t.n%mostTimes] = now
	}
	t.n++
}

// back is how long ago the last but i happened, from 1 on.
func (t *times) back(now time.Time, i int) time.Duration { return now.Sub(t.at[(t.n-i)%len(t.at)]) }

// within is how many happened in a span of time until now.
func (t *times) within(now time.Time, span time.Duration) (n int) {
	for n < len(t.at) && t.back(now, n+1) <= span {
		n++
	}
	return n
}

// last is how many happened in the last second, or if these are few, since the
// last few began.
func (t *times) last(now time.Time) (n int, span time.Duration) {
	n = t.within(now, time.Second)
	switch least := min(few, len(t.at)); {
	case n == mostTimes:
		return n, t.back(now, n)
	case n < least:
		return least, max(t.back(now, least), time.Second)
	case n == t.n: // it has only begun
		return n, max(t.back(now, n), instant)
	}
	return n, time.Second
}
