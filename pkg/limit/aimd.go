package limit

import (
	"cmp"
	"math"
	"time"

	"gptpipe/pkg/llm"
)

const (
	slowest = 0.2    // starts a second that are left while the server lets some through: if it means it, it says so to one of them
	first   = 1      // starts a second when something gets through again
	fastest = 10_000 // starts a second above which there is nothing to pace

	decrease = 0.87        // of what got through, after the server turned a request away
	deep     = 4.0         // times lower, if nothing got through
	settled  = time.Second // until a cut shows, in which there is no other
	cameBack = 0.97        // of the rate before a cut

	// After a cut the rate grows by a power of e: of this much for each second and
	// for its square, or for each answer and its cube, whichever is less. So it
	// grows slowly where the limit was found, and then faster, for it may be
	// another by now; and of few answers few are risked.
	perSecond, perSecond2 = 0.01, 0.001
	perAnswer, perAnswer3 = 0.0002, 0.000000003

	few    = 8  // requests of which fewer say nothing, and answers that a rate is taken from, if there are not as many in a second
	enough = 32 // requests of which fewer say little

	twice   = 1.5  // nats: an excess of two in some forty requests
	hunch   = 1.0  // nats
	clearly = 1.05 // higher

	toDoubt = 64 // requests before a clear excess over what is usual shows, at least
)

// An aimd is the state of the rate that is found by what is turned away. The
// Adapter's mu guards it.
type aimd struct {
	found   float64       // starts a second; 0: as many as one likes
	base    float64       // what it grows from
	grown   time.Time     // when it was that
	growth  float64       // answers since then
	start   float64       // up to here it grows by slow start
	cut     time.Time     // when it was last cut
	cutFrom float64       // what it was then
	cutAt   float64       // and what it was cut to
	since   time.Time     // then, or the first request
	passed  float64       // answers since then
	sent    float64       // requests since then
	refused float64       // of these
	excess  cusum         // of these over what is usual
	lag     time.Duration // that a refusal takes, the longest of late

	series series // of cuts between which the rate has not come back
	belief belief
	gate   gate
}

// grow raises the rate for the answer to a request that was begun at a time. By
// slow start it doubles with each few answers, but not in less than a second.
// The caller holds mu, as for all below.
func (a *Adapter) grow(now, begun time.Time) {
	a.passed++
	if a.gate.pass(!begun.Before(a.cut), now) { // it is open again
		a.found, a.start = max(a.found, first), math.Inf(1)
		if a.gate.known(now) {
			a.found, a.start = a.gate.rate(), 0
		}
		a.base, a.grown, a.growth = a.found, now, 0
		if a.gate.long() { // nothing of what was turned away is by chance
			a.sent, a.refused, a.excess, a.belief.usual = 1, 0, cusum{}, 0
		}
	}
	switch {
	case a.found == 0:
		return
	case a.found >= a.start:
		a.growth++
		a.found = a.base * math.Exp(a.exponent(now))
	case !begun.Before(a.cut):
		each := float64(few)
		switch {
		case a.belief.holds():
			each = a.prior().doubling(a.belief.usual)
		case !a.gate.opened.Before(a.cut) && a.gate.long(): // little is known any more
			each = few / 4
		}
		a.found *= math.Exp2(1 / max(each, a.found))
		a.base, a.grown, a.growth = a.found, now, 0
	}
	if a.idle(now) {
		a.found, a.start = 0, 0
	}
}

// exponent is that of the growth since there was none.
func (a *Adapter) exponent(now time.Time) float64 {
	byTime := func(t float64) float64 { return perSecond*t + perSecond2*t*t }
	byAnswers := func(n float64) float64 { return perAnswer*n + perAnswer3*n*n*n }
	t, n := now.Sub(a.grown).Seconds(), a.growth
	if !a.gate.known(now) {
		return min(byTime(t), byAnswers(n))
	}
	slowT, slowN := min(t, slowCycles*a.gate.cycle), min(n, slowAnswers) // what is too much shows late, and costs more
	return min(byTime(t), perCycle*slowT/a.gate.cycle+byTime(t-slowT), perAnswer*slowN+byAnswers(n-slowN))
}

// interval is the time between two starts.
func (a *Adapter) interval() time.Duration {
	if a.found == 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / a.found)
}

// seeks says whether the rate is in slow start.
func (a *Adapter) seeks() bool { return 0 < a.found && a.found < a.start }

// finds says whether what is tried goes up with it.
func (a *Adapter) finds(now time.Time) bool { return a.seeks() && a.found < 3*a.tried(now) }

// idle says whether the rate holds nobody up: it is far above what is asked.
func (a *Adapter) idle(now time.Time) bool {
	return a.found > max(few, 4*a.tried(now)) && (a.waiting.Load() == 0 || a.found > fastest)
}

// turnedAway learns from a request that was begun too soon.
func (a *Adapter) turnedAway(now, begun time.Time, why *llm.Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ask(now)
	if !begun.Before(a.cut) { // else the cut is the answer to it
		a.refused++
		a.excess.refuse(a.belief.usual)
		lag := now.Sub(begun)
		a.lag = min(max(lag, a.lag-a.lag/8), 2*cmp.Or(a.lag, lag))
		a.judge(now, held(why))
	}
	// Those who were let through would gather behind the hold, and start together when it ends.
	if wait := held(why); min(wait.Seconds()*a.found, float64(a.waiting.Load())) > few {
		a.line.Hold(wait)
	}
}

// judge cuts the rate if what was turned away is a reason to. A wait that was
// asked for is held, and mostly all that is needed: the first cut knows more then.
func (a *Adapter) judge(now time.Time, wait time.Duration) {
	known := float64(few)
	if a.found == 0 && wait >= settled {
		known = enough
	}
	w := a.window(now)
	nothing := a.nothing(w, now)
	switch {
	case nothing && a.found <= slowest:
		a.shut(now)
		a.found = a.gate.probe(now)
		a.base = a.found
	case !a.finds(now) && a.belief.expired(now): // is it still so at a lower rate?
		a.series = append(a.series[:0], w)
		a.lower(nothing, now)
	case a.excess.sum < a.alarm(now):
		return
	case !a.belief.holds() && a.seeks() && a.grown.After(a.cut): // slow start has met the limit
		a.series.add(w)
		a.cutTo(decrease*a.found, 0, now)
	case !nothing && (a.sent < known || now.Sub(a.cut) < settled):
		return
	default:
		if a.found == 0 || a.found > max(cameBack*a.cutFrom, slowest) {
			a.series = a.series[:0]
		}
		v := a.series.weigh(w, max(a.belief.usual, a.prior().base))
		switch {
		case 0 < a.found && a.found <= slowest/decrease && w.refused < w.sent: // it would not help if it were a limit
			a.undo(v.of, slowest, now)
		case v.chance(a.prior()) && a.belief.may(v.of, now):
			a.undo(v.of, v.top, now)
		case v.nats > hunch && v.limit > clearly*w.last: // which will show by what is turned away at this rate
			return
		default:
			if a.found > 0 {
				a.series.add(w)
			}
			a.lower(nothing, now)
		}
	}
	a.enforce(now)
}

// alarm is what the excess has to reach for a cut. Slow start waits for nothing, for it overshoots.
func (a *Adapter) alarm(now time.Time) float64 {
	switch {
	case a.belief.holds():
		return a.belief.alarm(cmp.Or(a.found, a.tried(now)))
	case a.found == 0 || a.seeks():
		return 0
	}
	return twice
}

// undo takes the cuts of a series back, and what was turned away is usual for a while.
func (a *Adapter) undo(usual counts, rate float64, now time.Time) {
	a.belief.form(usual, now)
	a.series = a.series[:0]
	a.cutTo(max(rate, a.found), math.Inf(1), now)
}

// prior depends on whether other runs share the limit.
func (a *Adapter) prior() prior {
	if a.sharers > 1 {
		return sharing
	}
	return alone
}

// lower cuts the rate to a part of what the server has borne, or if that is nothing, deeply.
func (a *Adapter) lower(nothing bool, now time.Time) {
	rate := decrease * a.borne(now)
	if nothing {
		a.shut(now)
		rate = a.found / deep
		if a.gate.known(now) {
			rate = min(rate, few/a.gate.cycle)
		}
	}
	rate = max(rate, slowest)
	a.cutTo(rate, a.threshold(rate, nothing, now), now)
}

// shut notes that nothing gets through. The rate at which that began says little where others may have had their part in it.
func (a *Adapter) shut(now time.Time) {
	rate := 0.0
	if a.sharers <= 1 {
		rate = max(a.found, a.cutFrom)
	}
	a.gate.close(now, rate)
}

// nothing says whether clearly nothing has got through since the last cut.
func (a *Adapter) nothing(w window, now time.Time) bool {
	least := few
	switch {
	case a.gate.shut && a.found <= slowest:
		least = 1
	case a.gate.known(now) || now.Sub(a.cut) > settled:
		least = few / 2
	}
	return a.found > 0 && w.refused == w.sent && w.refused >= float64(least)
}

// borne is the rate that the server has borne since the last cut, at least.
func (a *Adapter) borne(now time.Time) float64 {
	usual := 1 - a.belief.usual
	switch {
	case a.found > 0: // which was wrong by the part that was refused; but there may have been a queue
		rate := a.found
		if a.waiting.Load() == 0 { // which bounded nothing
			rate = min(rate, a.tried(now))
		}
		c := counts{max(a.sent, a.refused), a.refused}
		if a.belief.holds() {
			c = a.excess.counts
		}
		return rate * max((1-c.part())/usual, 0.5)
	case a.passed == 0: // what was tried was too fast, and that is all
		return a.tried(now) / 2
	}
	return a.passed / usual / max(now.Sub(a.since), instant).Seconds()
}

// threshold is where slow start is to end after a cut to a rate, for what is
// known since the last: nowhere, if that says nothing of how much gets through;
// and if it says much, at half of what was tried, as with TCP (RFC 5681), but
// that is not twice the rate.
func (a *Adapter) threshold(rate float64, nothing bool, now time.Time) float64 {
	switch {
	case nothing || a.passed == 0 || a.found == 0 || rate == slowest && a.passed > a.refused:
		return math.Inf(1)
	case a.sent < enough:
		return decrease * a.found
	}
	return min(decrease*min(a.found, a.tried(now))/2, 2*rate)
}

// window is what has happened since the last cut, but for requests of which it cannot be known yet.
func (a *Adapter) window(now time.Time) window {
	sent, span := a.sent, now.Sub(a.cut)
	if span > a.lag+instant {
		sent, span = sent-float64(a.starts.within(now, a.lag-1)), span-a.lag
	}
	sent = max(sent, a.refused)
	rate := sent / max(span, instant).Seconds()
	grown := min(max(a.found/cmp.Or(a.cutAt, 1), 1), 2)
	return window{cmp.Or(a.found, rate), rate, grown * rate, counts{sent, a.refused}}
}

func (a *Adapter) cutTo(rate, start float64, now time.Time) {
	a.cutFrom, a.cutAt = cmp.Or(a.found, a.tried(now)), rate
	a.found, a.base, a.start = rate, rate, start
	a.cut, a.grown, a.since = now, now, now
	a.growth, a.passed, a.sent, a.refused = 0, 0, 0, 0
	a.excess = cusum{}
}

// tried is how many requests a second are begun.
func (a *Adapter) tried(now time.Time) float64 {
	n, span := a.starts.last(now)
	return float64(n) / span.Seconds()
}
