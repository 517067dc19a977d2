package limit

import (
	"math"
	"time"

	"gptpipe/pkg/llm"
)

const (
	slowest = 0.2    // starts a second that are left whatever the server says: if it means it, it says so to one of them
	fastest = 10_000 // starts a second above which there is nothing to pace

	decrease = 0.87        // of what got through, after the server turned a request away
	settled  = time.Second // until a cut shows, in which there is no other

	tolerated = 0.004            // of the requests since the last cut may be turned away without another
	blindness = 30 * time.Second // after cuts that did harm

	// After a cut the rate grows by a power of e: of this much for each second and
	// for its square, or for each answer and its cube, whichever is less. So it
	// grows slowly where the limit was found, and then faster, for it may be
	// another by now; and of few answers few are risked.
	perSecond, perSecond2 = 0.01, 0.001
	perAnswer, perAnswer3 = 0.0002, 0.000000005

	few    = 8  // requests of which fewer say nothing, and answers that a rate is taken from, if there are not as many in a second
	enough = 32 // requests of which fewer say little
)

// An aimd is the state of the rate that is found by what is turned away. The
// Adapter's mu guards it.
type aimd struct {
	found   float64   // starts a second; 0: as many as one likes
	base    float64   // what it grows from
	grown   time.Time // when it was that
	growth  float64   // answers since then
	start   float64   // up to here it grows by slow start
	cut     time.Time // when it was last cut
	passed  float64   // answers since then
	sent    float64   // requests since then
	refused float64   // of these

	lastThrough  float64   // what got through a second before the last cut
	lastPart     float64   // the part that was turned away then
	useless      int       // cuts in a row after which less got through
	before       float64   // the rate before the first of them
	firstThrough float64   // what got through a second then
	firstAnswers float64   // answers a second then
	blind        time.Time // nothing is cut before
}

// grow raises the rate for the answer to a request that was begun at a time. By
// slow start it doubles with each few answers, but not in less than a second.
// The caller holds mu, as for all below.
func (a *Adapter) grow(now, begun time.Time) {
	a.passed++
	switch {
	case a.found == 0:
		return
	case a.found >= a.start:
		a.growth++
		t, n := now.Sub(a.grown).Seconds(), a.growth
		a.found = a.base * math.Exp(min(perSecond*t+perSecond2*t*t, perAnswer*n+perAnswer3*n*n*n))
	case !begun.Before(a.cut):
		a.found *= math.Exp2(1 / max(few, a.found))
		a.base, a.grown, a.growth = a.found, now, 0
	}
	if a.idle(now) {
		a.found, a.start = 0, 0
	}
}

// idle says whether the rate holds nobody up: it is far above what is asked.
func (a *Adapter) idle(now time.Time) bool {
	n, span := a.starts.last(now)
	return a.found > max(few, 4*float64(n)/span.Seconds()) && now.After(a.blind) &&
		(a.waiting.Load() == 0 || a.found > fastest)
}

// turnedAway learns from a request that was begun too soon.
func (a *Adapter) turnedAway(now, begun time.Time, why *llm.Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turned.add(now)
	if !begun.Before(a.cut) { // else the cut is the answer to it
		a.refused++
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
	least := float64(few)
	if a.found == 0 && wait >= settled {
		least = enough
	}
	switch {
	case a.found < a.start && a.grown.After(a.cut):
		a.cutTo(decrease*a.found, 0, now) // slow start has met the limit
	case a.sent < least || now.Sub(a.cut) < settled || now.Before(a.blind) || a.found > 0 && a.refused <= tolerated*a.sent:
		return
	case a.harmful(now):
		a.cutTo(a.before, 0, now)
		a.blind = now.Add(blindness)
	default:
		a.cutTo(max(decrease*a.borne(now), slowest), a.threshold(), now)
	}
	a.enforce(now)
}

// borne is the rate that the server has borne since the last cut.
func (a *Adapter) borne(now time.Time) float64 {
	through := a.through(now)
	switch {
	case a.found > 0: // which was wrong by the part that was refused; but there may have been a queue
		return a.found * max(1-a.refused/max(a.sent, a.refused), 0.5)
	case a.passed == 0: // what was tried was too fast, and that is all
		n, span := a.starts.last(now)
		return max(through, float64(n)/span.Seconds()/2)
	}
	return through
}

// threshold is the rate that slow start is to end at, after a cut for what is
// known since the last: none, if that is enough, and infinity, if it says nothing
// of how much gets through.
func (a *Adapter) threshold() float64 {
	switch {
	case a.passed == 0 || a.found == 0 && a.sent < enough:
		return math.Inf(1)
	case a.sent < enough:
		return decrease * a.found
	}
	return 0
}

// harmful judges the last cuts: if with the rate what gets through has gone down
// three times running, by more than chance, and as large a part is turned away as
// ever, it is not our rate that requests are turned away for, but say that of
// others who share the limit. Two numbers must say so: where refusals take long to
// come, more seem to get through of a higher rate, and answers may be those to
// requests from before the cut.
func (a *Adapter) harmful(now time.Time) bool {
	span := max(now.Sub(a.cut).Seconds(), 1)
	rate, part := a.found, a.refused/max(a.sent, a.refused)
	through, answers := (a.sent-a.refused)/span, a.passed/span
	if a.found == 0 {
		n, span := a.starts.last(now)
		rate, through, part = float64(n)/span.Seconds(), a.through(now), 1
		answers = min(through, a.passed)
	}
	switch {
	case a.found == 0 || through > 0.93*a.lastThrough || changed(part, a.lastPart):
		a.useless, a.before, a.firstThrough, a.firstAnswers = 0, rate, through, answers
	default:
		a.useless++
	}
	a.lastThrough, a.lastPart = through, part
	return a.useless >= 3 && fewer(through, a.firstThrough, span) && fewer(answers, a.firstAnswers, span)
}

// fewer says whether one number of events a second is lower than another, both
// over a span, by twice what chance would do.
func fewer(now, before, span float64) bool {
	return now*span < before*span-2*math.Sqrt(before*span)
}

// changed says whether the part of the requests that is turned away is clearly another
// than before: less, so that the cut has helped; or so much more that the server can do
// less than it could, and what gets through has gone down with that.
func changed(part, before float64) bool {
	return math.Abs(part-before) > 0.1 && (part < 0.7*before || part > 5*before)
}

func (a *Adapter) cutTo(rate, start float64, now time.Time) {
	a.found, a.base, a.start = rate, rate, start
	a.cut, a.grown = now, now
	a.growth, a.passed, a.sent, a.refused = 0, 0, 0, 0
}

// through is how many requests a second are not turned away, as far as that is
// known of those in flight.
func (a *Adapter) through(now time.Time) float64 {
	starts, span := a.starts.last(now)
	return max(float64(starts-a.turned.within(now, span)), 0) / span.Seconds()
}
