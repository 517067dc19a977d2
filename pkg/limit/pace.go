package limit

import "time"

// A pace lets units through at an even rate: the virtual scheduling algorithm
// of ITU-T I.371, Annex A. A start may come as soon as all that was taken
// before it has been earned; it may take more than that, and those behind it
// wait until the debt is paid.
type pace struct {
	each  float64       // nanoseconds that earn one unit
	slack time.Duration // how much time without a start is made up for
	back  time.Duration // what was given back since the last start, as far as slack would not keep it
	even  time.Time     // when everything taken has been earned
}

func newPace(perSecond float64, slack time.Duration) *pace {
	return &pace{each: float64(time.Second) / perSecond, slack: slack}
}

// wait is how long after now the next start may come.
func (p *pace) wait(now time.Time) time.Duration { return p.even.Sub(now) }

// take takes n units for a start.
func (p *pace) take(now time.Time, n float64) {
	p.add(now, n)
	p.back = 0
}

// giveBack returns n units that a start did not need, or takes -n more. They
// are there for the next start alone, not for a burst.
func (p *pace) giveBack(now time.Time, n float64) {
	p.add(now, -n)
	p.back = max(0, now.Sub(p.even)-p.slack)
}

func (p *pace) add(now time.Time, n float64) {
	if kept := now.Add(-p.slack - p.back); p.even.Before(kept) {
		p.even = kept
	}
	p.even = p.even.Add(time.Duration(n * p.each))
}
