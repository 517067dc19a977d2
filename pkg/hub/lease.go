package hub

import (
	"context"
	"time"

	"gptpipe/pkg/hub/proto"
	"gptpipe/pkg/panics"
)

// A Lease is the right to ask the model for the value of a key, while the others who want it wait.
type Lease struct {
	client *Client
	ask    proto.Ask
}

// Ask looks k up and, on a miss, takes the lease on it: the caller is the one who asks the model, and then stores the
// answer with Put or gives the lease up with Release. While another caller, in whichever process, has the lease, Ask
// waits for the value or for the lease to become free; those who wait are served first come, first served.
//
// Without an error, lease is nil when there is a value, which may be empty.
func (c *Client) Ask(ctx context.Context, k Key) (value []byte, lease *Lease, err error) {
	a := proto.Ask{ID: c.nextID(), Key: k}
	reply, l, err := c.await(ctx, proto.OpAsk, a.Append(nil), proto.OpRelease)
	if err != nil {
		return nil, nil, err
	}
	switch reply.Code {
	case proto.OK:
		return reply.Body, nil, nil
	case proto.Granted:
		life, err := proto.ParseCount(reply.Body)
		if err != nil {
			return nil, nil, passing(err)
		}
		c.hold(a, l, time.Duration(life))
		return nil, &Lease{c, a}, nil
	}
	return nil, nil, refusal(reply)
}

// Release gives the lease up without a value: one of those who wait takes over. After a Put of the key, which ends the
// lease too, it does nothing. It never blocks, and may be called more than once.
func (l *Lease) Release() {
	c := l.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, held := c.held[l.ask.ID]; !held {
		return
	}
	delete(c.held, l.ask.ID)
	c.renewals()
	if c.link != nil {
		c.link.post(proto.OpRelease, l.ask.Append(nil))
	}
}

// hold takes a lease that was granted on l among those that are renewed.
func (c *Client) hold(a proto.Ask, l *link, life time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held[a.ID] = a.Key
	if every := max(life/3, time.Millisecond); every != c.renewEvery {
		c.renewEvery, c.renewing = every, false // so that the timer is set anew
	}
	c.renewals()
	switch {
	case c.link != l: // which was told of the other leases before
		c.link.post(proto.OpRetake, a.Append(nil))
	case l.broken():
		panics.Go(func() { c.watch(l) }) // which had nothing to hold when it broke
	}
}

// stored ends the leases on a key whose value the keeper has been given.
func (c *Client) stored(k Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, key := range c.held {
		if key == k {
			delete(c.held, id)
		}
	}
	c.renewals()
}
