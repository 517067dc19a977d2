package limit

import "time"

const (
	longestCycle = 150 * time.Second // of which something is learned
	cyclesKnown  = 10                // in which it does not close, and then nothing is known any more
	slowCycles   = 4                 // in which the rate grows slowly
	perCycle     = 0.1               // by this power of e, in each
	sameMean     = 0.95              // of a mean is the same
	mostFalls    = 2                 // of the mean in a row
)

// A gate is what is known of a server that turns everything away from time to
// time: as one does that takes so many requests in each minute, and says nothing
// of it. From one such time to the next, as much has got through as it takes.
type gate struct {
	shut    bool
	cuts    int       // in a row of which nothing got through
	closed  time.Time // when it last was shut
	through float64   // answers since then
	cycle   float64   // seconds between the last two times
	mean    float64   // answers a second in them; 0: not known
	falls   int       // of the mean, in a row
}

// cut notes a cut before which nothing got through, or something did.
func (g *gate) cut(nothing bool, now time.Time) {
	if !nothing {
		g.cuts = 0
		return
	}
	if g.cuts++; g.shut {
		return
	}
	cycle := now.Sub(g.closed)
	before := g.mean
	g.cycle, g.mean = cycle.Seconds(), 0
	if cycle < longestCycle {
		g.mean = g.through / g.cycle
	}
	if g.mean >= sameMean*before {
		g.falls = 0
	} else if g.falls++; g.falls == mostFalls { // it is our rate that it goes down with
		g.mean, g.falls = 0, 0
	}
	g.shut, g.closed, g.through, g.cuts = true, now, 0, 1
}

// pass notes an answer, and says whether it shows that the gate is open again,
// which that to a request from before does not.
func (g *gate) pass(since bool) (opened bool) {
	g.through++
	opened = g.shut && since
	if opened {
		g.shut = false
	}
	return opened
}

// long says whether it was shut for long.
func (g *gate) long() bool { return g.cuts >= 3 }

// known says whether there is a mean.
func (g *gate) known(now time.Time) bool {
	return g.mean > 0 && now.Sub(g.closed).Seconds() < cyclesKnown*g.cycle
}
