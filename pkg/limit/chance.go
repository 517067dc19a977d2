package limit

import (
	"math"
	"time"
)

const (
	mostWindows = 8
	certain     = 0.99 // no part is taken to be more
	gridStep    = 1.1  // from one limit that is tried to the next

	mostByChance = 0.75             // of what is turned away: more is taken for a limit far below
	falseAlarms  = 15.0             // seconds that a rate is multiplied with: then they come some ten minutes apart
	trust        = 30 * time.Second // in a belief; if the next is the same, twice as long
	longest      = 4 * time.Minute  // of that
)

// A prior is how readily chance is believed in.
type prior struct {
	base  float64 // part of the requests that may be turned away though the rate is below the limit
	sure  float64 // nats
	proof float64 // requests turned away that show whether a rate is too high; 0: few requests do
}

// Runs that share a limit turn requests of each other away, whatever the rate of
// one, most of all when they begin together; and if each took that for chance,
// they would go on to turn away most.
var (
	alone   = prior{base: 0.004, sure: 4}
	sharing = prior{base: 0.0125, sure: 14, proof: 24}
)

// doubling is after how many answers the rate doubles in slow start while so many are usually turned away.
func (p prior) doubling(usual float64) float64 { return max(toDoubt, p.proof/usual) }

// counts are of requests.
type counts struct{ sent, refused float64 }

func (c counts) part() float64 { return c.refused / max(c.sent, 1) }

// likelihood is the logarithm of how likely the counts are if such a part is turned away.
func (c counts) likelihood(part float64) float64 {
	part = min(part, certain)
	return c.refused*math.Log(part) + (c.sent-c.refused)*math.Log1p(-part)
}

// agrees says whether the same part may have been turned away, by three standard deviations.
func (c counts) agrees(d counts) bool {
	p := (c.refused + d.refused) / (c.sent + d.sent)
	return math.Abs(c.part()-d.part()) < 3*math.Sqrt(p*(1-p)*(1/c.sent+1/d.sent))
}

// A window is what has happened between two cuts.
type window struct {
	allowed float64 // starts a second at its end
	rate    float64 // starts a second, in the mean
	last    float64 // the same at its end, about
	counts
}

// A series is of windows between which the rate went down.
type series []window

func (s *series) add(w window) {
	if len(*s) == mostWindows {
		*s = append((*s)[:0], (*s)[1:]...)
	}
	*s = append(*s, w)
}

// A verdict is of what explains a series better.
type verdict struct {
	nats  float64 // the logarithm of how much likelier it is by chance than by a limit
	of    counts  // in the windows that were looked at
	top   float64 // the highest rate allowed in them
	limit float64 // starts a second, that explains them best
}

// chance says whether it is by chance, as far as can be known.
func (v verdict) chance(p prior) bool { return v.nats > p.sure && v.of.part() < mostByChance }

// weigh compares two explanations of what was turned away in the last windows,
// as long as it was the same part of the requests: that it is so whatever the
// rate, say because others use up the limit; or that there is a limit of ours. Of
// each the best is taken, with the likelihood that it gives to what was seen. As
// this does not depend on when one looks, it may be done with each refusal (as in
// Wald's sequential test).
//
// A limit turns away nothing but a base below it. Above it, at twice the limit
// say, it turns away half, and just above it anything up to half: a server that
// saves up nothing takes every second request then, if they come at even
// distances.
func (s series) weigh(last window, base float64) verdict {
	all := append(s[:len(s):len(s)], last)
	from := len(all) - 1
	v := verdict{of: last.counts}
	for from > 0 && all[from-1].agrees(v.of) {
		from--
		v.of.sent += all[from].sent
		v.of.refused += all[from].refused
	}
	all = all[from:]

	least, most, chance := math.Inf(1), 0.0, 0.0
	for _, w := range all {
		v.top = max(v.top, w.allowed)
		if w.refused < w.sent {
			least = min(least, w.rate*(1-w.part()))
		}
		most = max(most, w.rate)
		chance += w.likelihood(max(v.of.part(), base))
	}
	best := math.Inf(-1)
	try := func(limit float64) {
		sum := 0.0
		for _, w := range all {
			sum += w.likelihood(w.above(limit, base))
		}
		if sum > best {
			best, v.limit = sum, limit
		}
	}
	for limit := min(least, most); limit < gridStep*most; limit *= gridStep {
		try(limit)
	}
	for step := math.Sqrt(gridStep); step > 1.001; step = math.Sqrt(step) {
		at := v.limit
		try(at / step)
		try(at * step)
	}
	v.nats = chance - best
	return v
}

// above is the part that a limit turns away, as near to what was seen as can be.
func (w window) above(limit, base float64) float64 {
	mean, highest := max(1, w.rate/limit), max(1, w.last/limit)
	return max(min(w.part(), 1-(1-base)/math.Ceil(highest)), 1-(1-base)/mean)
}

// A belief is that requests are turned away by chance, for a while.
type belief struct {
	usual float64       // part of them; 0: there is no belief
	until time.Time     // then that is to be tried again
	sent  float64       // requests since it was formed
	held  time.Duration // for how long it was last
	of    counts        // that it was last formed of
	since time.Time     // then
}

// may says whether it may be formed. Several runs that share a limit would else
// make each other believe in more and more.
func (b *belief) may(of counts, now time.Time) bool {
	return of.part() <= b.of.part() || b.of.sent == 0 || of.agrees(b.of) || now.Sub(b.since) > 2*longest
}

// form forms a belief, for longer each time, of the part that was turned away.
// It ends by the clock: so runs that share a limit, and took each other's requests
// for chance, try at the same time whether they are turned away at lower rates.
func (b *belief) form(of counts, now time.Time) {
	if now.Sub(b.until) > 4*b.held {
		b.held = 0
	}
	b.held = min(max(2*b.held, trust), longest)
	b.usual, b.sent = of.part(), 0
	b.until = now.Add(b.held / 2).Truncate(b.held).Add(b.held)
	b.of, b.since = of, now
}

func (b *belief) holds() bool { return b.usual > 0 }

// expired ends it when its time is over, and so many requests since would show that it is wrong.
func (b *belief) expired(now time.Time) bool {
	if !b.holds() || now.Before(b.until) || b.sent < enough {
		return false
	}
	b.usual = 0
	return true
}

// alarm is the excess over what is usual that is no chance, at so many requests a second.
func (b *belief) alarm(rate float64) float64 {
	if !b.holds() {
		return 0
	}
	return math.Log(max(falseAlarms*rate, few))
}
