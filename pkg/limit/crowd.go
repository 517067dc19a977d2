package limit

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	crowdDecrease = 0.9      // of the bound, at least, when the server is overloaded
	crowdIncrease = 1.0 / 64 // of a request, for each answer: so that few are refused where the bound is small
)

// A crowd bounds how many requests are in flight, for a server that says that it
// is overloaded: which is not for how many are begun, but for how many it has at
// once.
//
// When it first says so, what is left in flight of that crowd is the bound. From
// then on the bound grows with the answers that come, at first by a 64th of a
// request for each, and once a round that some are refused, it is cut to 90 %,
// or to the part that was not refused. If as many are refused however few there
// are, others are the cause: then the cuts are undone, and stop for a while.
type crowd struct {
	mu      sync.Mutex // guards all below
	under   int        // requests in flight
	asked   int        // that were in flight or waited at once since the last cut, at most
	held    int        // places of refused ones, not to be taken before an answer has come
	waiting []chan struct{}

	most     float64   // the bound; 0: none
	base     float64   // what it was last cut to
	cut      time.Time // when
	answered float64   // since then
	refused  float64   // since then

	cutFrom float64 // the bound then
	excess  cusum   // since then, over what is usual
	series  series  // of windows, with the bound for the rate
	belief  belief
}

// enter waits until there is room.
func (c *crowd) enter(ctx context.Context) error {
	c.mu.Lock()
	c.asked = max(c.asked, c.under+len(c.waiting)+1)
	if len(c.waiting) == 0 && c.room() {
		c.under++
		c.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	c.waiting = append(c.waiting, turn)
	c.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.waiting, turn); i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	} else {
		c.free() // its turn had come
	}
	return context.Cause(ctx)
}

func (c *crowd) room() bool { return c.most == 0 || c.under+c.held < int(c.most) }

// leave says how a request that was begun at a time has ended.
func (c *crowd) leave(now, begun time.Time, answered, overloaded bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case overloaded:
		c.judge(now, begun)
		// Who took its place at once would only be refused too.
		c.held = max(0, min(c.held+1, int(c.most)-c.under+1))
	case answered && c.most == 0:
		c.sent()
	case answered:
		c.sent()
		c.held = max(0, c.held-1)
		c.answered++
		more := crowdIncrease * c.answered
		c.most = c.base + more + c.base*math.Pow(more/c.base, 3)
		if c.most > 2*float64(c.asked)+few { // it holds nobody up
			c.most, c.held = 0, 0
		}
	}
	c.free()
}

// free gives a place to those who wait. The caller holds mu, as for all below.
func (c *crowd) free() {
	if c.under--; c.under == 0 {
		c.held = 0 // for no answer is to come
	}
	for len(c.waiting) > 0 && c.room() {
		close(c.waiting[0])
		c.waiting = c.waiting[1:]
		c.under++
	}
}

// judge learns from a refused request.
func (c *crowd) judge(now, begun time.Time) {
	others := max(float64(c.under-1), 1)
	switch {
	case !begun.Before(c.cut):
		c.refused++
		c.sent()
		c.excess.refuse(c.belief.usual)
	case c.answered == 0 && c.cutFrom == 0 && !c.belief.holds(): // to which the cut is the answer
		c.base = min(c.base, others)
		c.most = c.base
		return
	default:
		return
	}
	bound := cmp.Or(c.most, others+1)
	w := window{bound, bound, bound, counts{c.answered + c.refused, c.refused}}
	if c.most > 0 {
		w.rate = (c.base + c.most) / 2
	}
	switch {
	case c.belief.expired(now):
		c.series = append(c.series[:0], w)
		c.cutTo(crowdDecrease*bound, now)
	case c.excess.sum < c.belief.alarm(w.sent/max(now.Sub(c.cut), settled).Seconds()):
	case c.most == 0: // just now few may be left of those that came together
		c.cutTo(max(others, crowdDecrease*float64(c.asked)), now)
	case c.answered+c.refused < c.base || now.Sub(c.cut) < settled:
	default:
		if c.most > max(cameBack*c.cutFrom, 2) {
			c.series = c.series[:0]
		}
		if v := c.series.weigh(w, max(c.belief.usual, alone.base)); v.chance(alone) || bound < 2 && c.answered > 0 { // one that is alone is no crowd
			c.belief.form(v.of, now)
			c.series = c.series[:0]
			c.cutTo(max(v.top, c.most), now)
			return
		}
		c.series.add(w)
		c.cutTo(c.most*min(crowdDecrease, c.answered/(c.answered+c.refused)), now)
	}
}

// sent notes a request whose end is known.
func (c *crowd) sent() {
	c.excess.send(c.belief.usual)
	c.belief.sent++
}

func (c *crowd) cutTo(bound float64, now time.Time) {
	c.cutFrom = c.most
	c.base = max(bound, 1)
	c.most, c.cut, c.answered, c.refused = c.base, now, 0, 0
	c.excess, c.asked = cusum{}, c.under+len(c.waiting)
}
