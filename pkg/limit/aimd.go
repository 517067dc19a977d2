package limit

import (
	"cmp"
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
	blindness = 30 * time.Second // after cuts that did harm; if they do so again, twice as long
	longest   = 5 * time.Minute  // of that, and of a series of cuts
	cameBack  = 0.97             // of the rate before a cut

	// After a cut the rate grows by a power of e: of this much for each second and
	// for its square, or for each answer and its cube, whichever is less. So it
	// grows slowly where the limit was found, and then faster, for it may be
	// another by now; and of few answers few are risked.
	perSecond, perSecond2 = 0.01, 0.001
	perAnswer, perAnswer3 = 0.0002, 0.000000005

	few    = 8  // requests of which fewer say nothing, and answers that a rate is taken from, if there are not as many in a second
	enough = 32 // requests of which fewer say little
	least  = 4  // of which a verdict is made
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
	since   time.Time // then, or the first request
	passed  float64   // answers since then
	sent    float64   // requests since then
	refused float64   // of these

	cutFrom float64 // what found was then
	series  series
	blind   time.Time     // nothing is cut before
	blinded time.Duration // for how long that is
	usual   counts        // of the cuts that did harm
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
	return a.found > max(few, 4*a.tried(now)) && now.After(a.blind) &&
		(a.waiting.Load() == 0 || a.found > fastest)
}

// turnedAway learns from a request that was begun too soon.
func (a *Adapter) turnedAway(now, begun time.Time, why *llm.Error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !begun.Before(a.cut) { // else the cut is the answer to it
		a.refused++
		a.judge(now, held(why), now.Sub(begun))
	}
	// Those who were let through would gather behind the hold, and start together when it ends.
	if wait := held(why); min(wait.Seconds()*a.found, float64(a.waiting.Load())) > few {
		a.line.Hold(wait)
	}
}

// judge cuts the rate if what was turned away is a reason to. A wait that was
// asked for is held, and mostly all that is needed: the first cut knows more then.
func (a *Adapter) judge(now time.Time, wait, lag time.Duration) {
	known := float64(few)
	if a.found == 0 && wait >= settled {
		known = enough
	}
	switch {
	case a.found < a.start && a.grown.After(a.cut):
		a.cutTo(decrease*a.found, 0, now) // slow start has met the limit
	case a.sent < known || now.Sub(a.cut) < settled || a.found > 0 && a.refused <= tolerated*a.sent:
		return
	case now.Before(a.blind) && !a.worse(a.usual):
		return
	case a.harmful(now, lag):
		a.undo(now)
	default:
		rate := max(decrease*a.borne(now), slowest)
		a.cutTo(rate, a.threshold(rate, now), now)
	}
	a.enforce(now)
}

// undo takes the cuts of a series back, and has none follow for a while.
func (a *Adapter) undo(now time.Time) {
	if now.Sub(a.blind) > 4*a.blinded {
		a.blinded = 0
	}
	a.blinded = min(max(2*a.blinded, blindness), longest)
	a.usual = a.series.counts
	a.cutTo(a.series.rate, 0, now)
	a.blind = now.Add(a.blinded)
}

// worse says whether a clearly larger part is turned away than was of so many requests before.
func (a *Adapter) worse(before counts) bool {
	now := counts{a.sent, a.refused}
	return now.sent >= enough && now.part() > before.part()+0.1+3*math.Hypot(now.chance(), before.chance())
}

// counts are of requests.
type counts struct{ sent, refused float64 }

func (c counts) part() float64   { return c.refused / max(c.sent, 1) }
func (c counts) chance() float64 { return math.Sqrt(c.part() * (1 - c.part()) / max(c.sent, 1)) }

// borne is the rate that the server has borne since the last cut, at least.
func (a *Adapter) borne(now time.Time) float64 {
	switch {
	case a.found > 0: // which was wrong by the part that was refused; but there may have been a queue
		rate := a.found
		if a.waiting.Load() == 0 { // which bounded nothing
			rate = min(rate, a.tried(now))
		}
		return rate * max(1-a.refused/max(a.sent, a.refused), 0.5)
	case a.passed == 0: // what was tried was too fast, and that is all
		return a.tried(now) / 2
	}
	return a.passed / max(now.Sub(a.since), instant).Seconds()
}

// threshold is where slow start is to end after a cut to a rate, for what is
// known since the last: nowhere, if that says nothing of how much gets through;
// and if it says much, at half of what was tried, as with TCP (RFC 5681), but
// that is not twice the rate.
func (a *Adapter) threshold(rate float64, now time.Time) float64 {
	switch {
	case a.passed == 0 || a.found == 0:
		return math.Inf(1)
	case rate == slowest && a.passed > a.refused: // of which there is no coming back by some per cent
		return math.Inf(1)
	case a.sent < enough:
		return decrease * a.found
	}
	return min(decrease*min(a.found, a.tried(now))/2, 2*rate)
}

// harmful judges the cuts so far: they are, if the rate has gone down with them to little more than half, and what gets
// through with it, as chance alone would not have it. Then it is not our rate that requests are turned away for, but say
// that of others who share the limit: of a limit of ours as much gets through after a cut as before, or nothing is turned
// away, and the rate comes back. Where most is turned away, it is taken for a limit far below.
func (a *Adapter) harmful(now time.Time, lag time.Duration) bool {
	s := &a.series
	known := now.Add(-lag) // the refusals of requests that were begun before are here
	w := window{a.found, a.sent - float64(a.starts.within(now, lag)) - a.refused, known.Sub(a.cut).Seconds()}
	back := a.found == 0 || a.found > max(cameBack*a.cutFrom, slowest)
	switch {
	case back || now.Sub(s.begun) > longest || s.sent > 0 && a.worse(s.counts):
		*s = series{begun: now, rate: cmp.Or(a.found, a.tried(now))}
		return false
	case w.passed < least || w.span <= 0:
		return false
	}
	s.sent, s.refused = s.sent+a.sent, s.refused+a.refused
	if s.first == (window{}) {
		s.first = w
		return false
	}
	return s.refused >= least && s.part() < 0.6 && w.rate < 0.6*s.first.rate && w.fewer(s.first)
}

// A series is of cuts between which the rate has not come back.
type series struct {
	begun time.Time
	rate  float64 // before the first
	first window  // after it
	counts
}

// A window is what has happened since a cut.
type window struct{ rate, passed, span float64 }

// fewer says whether less got through than in a window before, by more than chance, and that more because of the rate
// than of a limit.
func (w window) fewer(before window) bool {
	less := math.Log(w.passed / w.span / (before.passed / before.span))
	chance := math.Sqrt(1/w.passed + 1/before.passed)
	return less < -2.5*chance && less < math.Log(w.rate/before.rate)/2
}

func (a *Adapter) cutTo(rate, start float64, now time.Time) {
	a.cutFrom = a.found
	a.found, a.base, a.start = rate, rate, start
	a.cut, a.grown, a.since = now, now, now
	a.growth, a.passed, a.sent, a.refused = 0, 0, 0, 0
}

// tried is how many requests a second are begun.
func (a *Adapter) tried(now time.Time) float64 {
	n, span := a.starts.last(now)
	return float64(n) / span.Seconds()
}
