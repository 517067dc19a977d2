package hub

import (
	"context"
	"fmt"
	"time"

	"gptpipe/pkg/hub/proto"
)

// maxGrants is how many grants are asked for until one that comes late is taken: this machine has no time for better.
const maxGrants = 8

// A Budget is a rate of requests that all processes share.
type Budget = proto.Budget

// Sharing says which leases and budgets are in use.
type Sharing = proto.Sharing

// A BudgetUse is a budget with the limits in force, its users and those who wait.
type BudgetUse = proto.BudgetUse

// Start waits until a request that will take about so many tokens may start, and says whether they were reserved, so
// that they are to be settled. Connections that wait take turns.
//
// A budget that nobody has set a limit for never waits, and the keeper says so once: from then on Start asks it no more,
// until it tells that this has changed.
func (c *Client) Start(ctx context.Context, b Budget, tokens int) (reserved bool, err error) {
	if !b.Valid() {
		return false, permanent(fmt.Errorf("budget %q: a limit or the name cannot be taken", b.Name))
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	if c.use(b) {
		return false, nil
	}
	for try := 1; ; try++ {
		s := proto.Start{ID: c.nextID(), Tokens: uint64(min(max(tokens, 0), proto.MaxTokens)), Budget: b}
		asked := proto.Clock()
		reply, l, err := c.await(ctx, proto.OpStart, s.Append(nil), proto.OpForget)
		if err != nil {
			return false, err
		}
		switch reply.Code {
		case proto.OK:
			free, err := proto.ParseFree(reply.Body)
			if err != nil {
				return false, passing(err)
			}
			c.freed(l, free)
			return false, nil
		case proto.Paced:
			grant, err := proto.ParseGrant(reply.Body)
			if err != nil {
				return false, passing(err)
			}
			if try == maxGrants || !late(grant, asked, proto.Clock()) {
				return true, nil
			}
			c.post(proto.OpForget, s.Append(nil))
		default:
			return false, refusal(reply)
		}
	}
}

// late says whether a grant that was asked for and came at these times is not good any more. One that is said to be from
// before it was asked for is of a keeper whose clock is another.
func late(g proto.Grant, asked, came time.Duration) bool { return came-g.At > g.Good && g.At >= asked }

// Free says whether Start need not be asked now: it would answer at once.
func (c *Client) Free(b Budget) bool { return b.Valid() && c.use(b) }

// Settle tells that a request for which Start reserved so many tokens, as long ago as age, took so many. It never
// blocks. While the connection is broken it is kept for the next one, if there comes one before Close; only what was
// under way when it broke is lost. What is not settled when the client closes, or its process dies, is given back.
func (c *Client) Settle(b Budget, reserved, used int, age time.Duration) {
	if !b.Valid() {
		return
	}
	r := uint64(min(max(reserved, 0), proto.MaxTokens))
	s := proto.Settle{Name: b.Name, Reserved: r, Used: uint64(min(max(used, 0), proto.MaxTokens)), Age: age}
	c.post(proto.OpSettle, s.Append(nil))
}

// Hold lets nobody start before d has passed, because the server asked to wait. It never blocks, and is
// kept as Settle is.
func (c *Client) Hold(b Budget, d time.Duration) {
	if d <= 0 || !b.Valid() {
		return
	}
	c.post(proto.OpHold, proto.Hold{Name: b.Name, For: d}.Append(nil))
}

// A freedom is what a keeper has said of a budget without limits.
type freedom struct {
	link    *link  // on which
	free    bool   // starts need not be asked for
	limited uint64 // the epoch before which that does not count
}

// use notes the limits that this client asks for, to tell them to the next keeper. It answers whether there are none
// and a start need not be asked for.
func (c *Client) use(b Budget) (free bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b != (Budget{Name: b.Name}) {
		c.budgets[b.Name] = b
		return false
	}
	delete(c.budgets, b.Name)
	f := c.free[b.Name]
	return f.free && f.link == c.link && !c.link.broken()
}

// freed notes what the reply to a Start said.
func (c *Client) freed(l *link, f proto.Free) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.free[f.Name]; old.link != l || f.Epoch >= old.limited {
		c.free[f.Name] = freedom{link: l, free: true}
	}
}

// told takes what a keeper says unasked. The end of a freedom may overtake its beginning.
func (c *Client) told(l *link, frame proto.Frame) {
	if frame.Code != proto.Limited {
		return
	}
	f, err := proto.ParseFree(frame.Body)
	if err != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.free[f.Name] = freedom{link: l, limited: f.Epoch}
	b, ok := c.budgets[f.Name]
	if !ok {
		b.Name = f.Name
	}
	l.post(proto.OpUse, proto.Budgets{b}.Append(nil))
}
