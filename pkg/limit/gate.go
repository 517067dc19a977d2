package limit

import "time"

const (
	sameCount = 0.95 // of a count is the same
	sameTime  = 0.75 // of a time
	mostFalls = 2    // of the count in a row
	muchMore  = 2.0  // times the mean
	mostDoubt = 3    // times more that it has to be the same

	cyclesKnown = 10   // in which it does not close, and then nothing is known any more
	reopened    = 0.9  // of the mean: the rate to begin with
	slowCycles  = 3    // in which it grows slowly
	perCycle    = 0.06 // by this power of e, in each
	slowAnswers = 900  // for which it grows slowly, too

	probes = 8                // for each time by a power of e that it is shut for longer
	seldom = 30 * time.Second // between two of them, at most
	long   = 5 * time.Second  // to be shut
)

// A gate is what is known of a server that turns everything away from time to
// time: as one does that takes so many requests in each minute, or hour, and says
// nothing of it. When it opens again, one of its minutes has begun. So what gets
// through from then until it opens the next time is what it takes, if it is the
// same two times in a row; or, as others may get a part of it, if the time is the
// same, for most of which it is shut. If it then closes after fewer, for the rate
// is lower, it does not count, and the next time has to be the same more often.
type gate struct {
	shut   bool
	closed time.Time // when it last did
	opened time.Time // when it last did, or the first request
	now    float64   // answers since then
	top    float64   // requests a second when it closed; 0: not known

	count  float64 // answers from the time that it opened before to that
	cycle  float64 // seconds between the two
	mean   float64 // answers a second that it lets through; 0: not known
	falls  int     // of the count, in a row
	agreed int     // times in a row that it was the same
	doubt  int     // times more than once that it has to be
}

// close notes that nothing gets through, after so many requests a second; 0: it is not known how many there can be.
func (g *gate) close(now time.Time, rate float64) {
	if !g.shut {
		g.shut, g.closed, g.top = true, now, rate
	}
}

// pass notes an answer, and says whether it shows that the gate is open again,
// which that to a request from before does not.
func (g *gate) pass(since bool, now time.Time) (opened bool) {
	opened = g.shut && since
	if opened {
		g.learn(now)
		g.shut, g.opened, g.now = false, now, 0
	}
	g.now++
	return opened
}

// learn takes what has got through since it last opened into account.
func (g *gate) learn(now time.Time) {
	count, cycle := g.now, now.Sub(g.opened).Seconds()
	mean := count / cycle
	switch known := g.known(now); {
	case known && g.top > muchMore*g.mean: // it takes more now
		mean, g.falls, g.agreed = 0, 0, 0
	case known && count*sameCount > g.count: // in several of its minutes
		g.falls = 0
		if mean > g.mean {
			g.mean, g.count = mean, mean*g.cycle
		}
		return
	case known && count > g.count*sameCount:
		g.falls = 0
	case known:
		if g.falls++; g.falls == mostFalls { // it is our rate that it goes down with
			mean, g.falls, g.agreed = 0, 0, 0
			g.doubt = min(2*g.doubt+1, mostDoubt)
		}
	case same(count, g.count, sameCount) || same(cycle, g.cycle, sameTime) && now.Sub(g.closed).Seconds() > cycle/2:
		if g.agreed++; g.agreed <= g.doubt || count < few {
			mean = 0
		}
	default:
		mean, g.agreed = 0, 0
	}
	g.count, g.cycle, g.mean = count, cycle, mean
}

func same(a, b, part float64) bool { return a >= part*b && b >= part*a }

// idle notes a time until now in which nothing was tried.
func (g *gate) idle(now time.Time, d time.Duration) {
	g.opened, g.closed = earlier(now, g.opened.Add(d)), earlier(now, g.closed.Add(d))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// long says whether it was shut for long before it opened.
func (g *gate) long() bool { return g.opened.Sub(g.closed) > long }

// known says whether there is a mean.
func (g *gate) known(now time.Time) bool {
	return g.mean > 0 && now.Sub(g.closed).Seconds() < cyclesKnown*g.cycle
}

// probe is the rate at which it is tried while it is shut.
func (g *gate) probe(now time.Time) float64 {
	return max(1/seldom.Seconds(), min(slowest, probes/now.Sub(g.closed).Seconds()))
}

// rate is what to begin with when it has opened, if there is a mean.
func (g *gate) rate() float64 { return max(1/seldom.Seconds(), reopened*g.mean) }
