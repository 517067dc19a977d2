package hub

import (
	"context"
	"time"

	"gptpipe/pkg/hub/proto"
	"gptpipe/pkg/panics"
)

const (
	renewEvery  = 5 * time.Second        // until the keeper has said how long a lease lasts
	lastWords   = time.Second            // for the keeper to have read what was posted, before a client closes
	maxUnsent   = 1024                   // requests that are kept while there is no connection
	quickFailed = 100 * time.Millisecond // a connection that broke sooner than this was of no use
)

// sharing is what a client holds of the keeper beyond one request. All of it is guarded by the client's mu.
//
// While there are leases or waits, a timer renews the leases, all with one message, and finds out whether the keeper is
// still alive. When a connection breaks and there are leases or limits, another is made at once and they are told on
// it first, before another process can get what this one has.
type sharing struct {
	lastID     uint64
	held       map[uint64]Key    // leases
	budgets    map[string]Budget // that have a limit
	free       map[string]freedom
	waits      int           // calls of await
	posted     bool          // something that nobody has waited for
	unsent     []proto.Frame // the same, while there was no connection
	renewing   bool          // the timer runs
	renewEvery time.Duration
	renewal    *time.Timer
}

func (c *Client) share() {
	c.held = make(map[uint64]Key)
	c.budgets = make(map[string]Budget)
	c.free = make(map[string]freedom)
	c.renewEvery = renewEvery
	c.renewal = time.AfterFunc(time.Hour, panics.Func(c.renew))
	c.renewal.Stop()
}

func (c *Client) nextID() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastID++
	return c.lastID
}

// await is a call whose reply may take any time, and says over which connection it came. When ctx ends first, the
// operation undo is told to the keeper, with the same body.
func (c *Client) await(ctx context.Context, op byte, body []byte, undo byte) (proto.Frame, *link, error) {
	c.waiting(1)
	defer c.waiting(-1)
	for try := 0; ; try++ {
		l, err := c.current()
		if err == nil && l == nil {
			l, err = c.connected(ctx)
		}
		if err != nil {
			return proto.Frame{}, nil, err
		}
		sent := time.Now()
		reply, err := l.call(ctx, 0, op, body)
		if time.Since(sent) > quickFailed {
			try = 0
		}
		switch {
		case err == nil:
			return reply, l, nil
		case ctx.Err() != nil:
			l.post(undo, body)
			return proto.Frame{}, nil, context.Cause(ctx)
		case err == ErrClosed:
			return proto.Frame{}, nil, permanent(err)
		case err == ErrSilent:
			return proto.Frame{}, nil, c.silent()
		case try == resends:
			return proto.Frame{}, nil, passing(err)
		}
	}
}

func (c *Client) waiting(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits += n
	c.renewals()
}

// renewals starts or stops the timer. The caller holds mu.
func (c *Client) renewals() {
	need := !c.closed && (len(c.held) > 0 || c.waits > 0)
	switch {
	case need && !c.renewing:
		c.renewal.Reset(c.renewEvery)
	case !need && c.renewing:
		c.renewal.Stop()
	}
	c.renewing = need
}

func (c *Client) renew() {
	c.mu.Lock()
	if !c.renewing {
		c.mu.Unlock()
		return
	}
	c.renewal.Reset(c.renewEvery)
	c.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if l, err := c.connected(ctx); err == nil {
		l.call(ctx, helloTimeout, proto.OpRenew, nil) // a failure ends the link, and those who wait on it are told
	}
}

// announce makes l the connection in use. What the client holds is told on it first. The caller holds mu.
func (c *Client) announce(l *link) {
	c.link = l
	if len(c.held) > 0 {
		var list proto.Asks
		for id, k := range c.held {
			list = append(list, proto.Ask{ID: id, Key: k})
		}
		l.post(proto.OpRetake, list.Append(nil))
	}
	if len(c.budgets) > 0 {
		var list proto.Budgets
		for _, b := range c.budgets {
			list = append(list, b)
		}
		l.post(proto.OpUse, list.Append(nil))
	}
	for _, f := range c.unsent {
		l.post(f.Code, f.Body)
	}
	c.unsent = nil
	panics.Go(func() { c.watch(l) })
}

// watch makes another connection when l breaks, if there is something to be held over it.
func (c *Client) watch(l *link) {
	<-l.down
	c.mu.Lock()
	needed := !c.closed && (len(c.held) > 0 || len(c.budgets) > 0)
	c.mu.Unlock()
	if needed {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		c.connected(ctx) // who needs it next will see an error
	}
}

// post sends a request whose reply nobody waits for, now or once there is a connection.
func (c *Client) post(op byte, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.posted = true
	switch {
	case c.link != nil && !c.link.broken():
		c.link.post(op, body)
	case len(c.unsent) < maxUnsent:
		c.unsent = append(c.unsent, proto.Frame{Code: op, Body: body})
	}
}

func (l *link) post(op byte, body []byte) { l.queue(proto.Frame{Code: op, Body: body}) } // no call has the id 0

// queue has a frame sent behind all that were queued before. It does not block.
func (l *link) queue(f proto.Frame) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.backlog) == 0 {
		select {
		case l.out <- f:
			return
		default:
			panics.Go(l.sendBacklog)
		}
	}
	l.backlog = append(l.backlog, f)
}

func (l *link) sendBacklog() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.backlog) > 0 {
		f := l.backlog[0]
		l.mu.Unlock()
		select {
		case l.out <- f:
		case <-l.down: // what is left is lost with it
		}
		l.mu.Lock()
		l.backlog = l.backlog[1:]
	}
}

// settle waits until the keeper has read all that was queued, or the link is down, or limit has passed.
func (l *link) settle(limit time.Duration) {
	id, reply := l.expect()
	l.queue(proto.Frame{Code: proto.OpRenew, ID: id})
	select {
	case <-reply:
	case <-l.down:
	case <-time.After(limit):
	}
}
