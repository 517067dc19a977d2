package limit

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

const (
	crowdDecrease = 0.9      // of the bound, at least, when the server is overloaded
	crowdIncrease = 1.0 / 64 // of a request, for each answer: so that few are refused where the bound is small

	// Cuts that harm: so many in a row, each from a lower bound, to such a part of the first, with such a part of
	// the answers.
	harmAfter, harmBound, harmThrough = 3, 0.8, 0.85
)

// A crowd bounds how many requests are in flight, for a server that says that it
// is overloaded: which is not for how many are begun, but for how many it has at
// once.
//
// When it first says so, what is left in flight of that crowd is the bound. From
// then on the bound grows with the answers that come, at first by a 64th of a
// request for each, and once a round that some are refused, it is cut to 90 %,
// or to the part that was not refused. When cuts from one bound to a lower one
// only bring fewer answers, others are the cause, and they stop for a while.
type crowd struct {
	mu      sync.Mutex // guards all below
	under   int        // requests in flight
	held    int        // places of refused ones, not to be taken before an answer has come
	waiting []chan struct{}

	most     float64   // the bound; 0: none
	base     float64   // what it was last cut to
	cut      time.Time // when
	answered float64   // since then
	refused  float64   // since then

	last        float64 // the bound at the cut before
	lastThrough float64 // answers a second then
	lastPart    float64 // of the requests that was refused then
	falls       int     // cuts in a row, each from a lower bound
	first       float64 // the bound at the first of them
	through     float64 // answers a second then
	blind       time.Time
}

// enter waits until there is room.
func (c *crowd) enter(ctx context.Context) error {
	c.mu.Lock()
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
	case answered && c.most > 0:
		c.held = max(0, c.held-1)
		c.answered++
		more := crowdIncrease * c.answered
		c.most = c.base + more + c.base*math.Pow(more/c.base, 3)
		if c.most > 2*float64(c.under+len(c.waiting))+few { // it holds nobody up
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
	case c.answered == 0 && now.After(c.blind): // to which the cut is the answer
		c.base = min(c.base, others)
		c.most = c.base
		return
	default:
		return
	}
	switch {
	case now.Before(c.blind):
	case c.most == 0:
		c.cutTo(others, now)
	case c.answered+c.refused < c.base || now.Sub(c.cut) < settled:
	case c.harmful(now):
		c.cutTo(c.first, now)
		c.falls, c.last = 0, 0
		c.blind = now.Add(blindness)
	default:
		c.cutTo(c.most*min(crowdDecrease, c.answered/(c.answered+c.refused)), now)
	}
}

// harmful judges the cuts so far: they are, if the bound has fallen and what gets through with it, to the last, and as
// large a part is refused as ever.
func (c *crowd) harmful(now time.Time) bool {
	through := c.answered / now.Sub(c.cut).Seconds()
	part := c.refused / (c.answered + c.refused)
	if c.most >= 0.97*c.last && c.most >= 2 || c.answered+c.refused >= few && changed(part, c.lastPart) {
		c.falls, c.first = 0, c.most
	} else {
		c.falls++
	}
	if c.falls <= 1 {
		c.through = through
	}
	fell := through < 0.95*c.lastThrough || c.most < 2
	c.last, c.lastThrough, c.lastPart = c.most, through, part
	return fell && c.falls >= harmAfter && c.most < harmBound*c.first && through < harmThrough*c.through
}

func (c *crowd) cutTo(bound float64, now time.Time) {
	c.base = max(bound, 1)
	c.most, c.cut, c.answered, c.refused = c.base, now, 0, 0
}

// changed says whether the part of the requests that is turned away is clearly another
// than before: less, so that the cut has helped; or so much more that the server can do
// less than it could, and what gets through has gone down with that.
func changed(part, before float64) bool {
	return math.Abs(part-before) > 0.1 && (part < 0.7*before || part > 5*before)
}
