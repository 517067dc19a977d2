package hub

import (
	"context"
	"fmt"
	"math"
	"time"

	"gptpipe/pkg/hub/proto"
)

// Stats says what a keeper holds and has done.
type Stats = proto.Stats

// Filter chooses the values that a purge removes: those that match all of what it names.
type Filter = proto.Purge

// Get answers the value stored under k, if there is one that has not expired. What the keeper cannot read, or finds
// damaged, is not there.
func (c *Client) Get(ctx context.Context, k Key) (value []byte, ok bool, err error) {
	reply, err := c.call(ctx, replyTimeout, proto.OpGet, k[:])
	if err != nil {
		return nil, false, err
	}
	switch reply.Code {
	case proto.OK:
		return reply.Body, true, nil
	case proto.Miss:
		return nil, false, nil
	}
	return nil, false, refusal(reply)
}

// Put stores value, of at most 64 MiB, under k, in place of what was there. After ttl it is gone; with 0 or less it
// stays. The model's name, of at most 1 KiB, is for Purge. When Put returns nil the value is with the system and
// outlives a crash of the keeper, not one of the machine. ErrNoSpace means that this value was not stored.
func (c *Client) Put(ctx context.Context, k Key, value []byte, model string, ttl time.Duration) error {
	if len(value) > proto.MaxValue || len(model) > proto.MaxModel {
		return permanent(fmt.Errorf("value of %d bytes, model name of %d: %w", len(value), len(model), ErrTooLarge))
	}
	p := proto.Put{Key: k, TTL: ttl, Model: model, Value: value}
	reply, err := c.call(ctx, replyTimeout, proto.OpPut, p.Append(make([]byte, 0, len(value)+len(model)+64)))
	if err != nil {
		return err
	}
	c.stored(k)
	return refusal(reply)
}

// Add adds deltas to the counters of that name and answers the totals of all counters, over all processes and since
// the cache folder was made.
//
// Each delta is counted once, also by the next keeper, and also if Add fails: then the client keeps it, and the next Add
// begins with sending what may have been counted again, under the same number. What is kept when the client closes is
// lost. A keeper stores the counters every two seconds while they change: what came after that is lost if it is killed.
//
// The gauges are what is so with this process now; they are in the totals of all until its next Add, or its end.
func (c *Client) Add(ctx context.Context, deltas, gauges map[string]float64) (totals map[string]float64, err error) {
	for _, counts := range []map[string]float64{deltas, gauges} {
		for name, d := range counts {
			if math.IsNaN(d) || math.IsInf(d, 0) {
				return nil, permanent(fmt.Errorf("counter %s: %v cannot be added", name, d))
			}
		}
	}
	// One at a time, because the keeper knows a repeated one by its number, which must not be below the last.
	select {
	case c.adding <- struct{}{}:
		defer func() { <-c.adding }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	for name, d := range deltas {
		if c.unsentAdd == nil {
			c.unsentAdd = make(map[string]float64)
		}
		c.unsentAdd[name] += d
	}
	if c.openAdd != nil {
		if _, err := c.counts(ctx, proto.OpAdd, c.openAdd); err != nil {
			return nil, err
		}
	}
	c.seq++
	c.openAdd = proto.Add{Seq: c.seq, Deltas: c.unsentAdd, Gauges: gauges}.Append(nil)
	c.unsentAdd = nil
	totals, err = c.counts(ctx, proto.OpAdd, c.openAdd)
	if err == nil {
		c.openAdd = nil
	}
	return totals, err
}

// Totals answers all counters.
func (c *Client) Totals(ctx context.Context) (map[string]float64, error) {
	return c.counts(ctx, proto.OpTotals, nil)
}

func (c *Client) counts(ctx context.Context, op byte, body []byte) (map[string]float64, error) {
	reply, err := c.call(ctx, replyTimeout, op, body)
	if err == nil {
		err = refusal(reply)
	}
	if err != nil {
		return nil, err
	}
	return proto.ParseCounts(reply.Body)
}

// Stats asks the keeper how it is. It counts all entries: about a second for a million.
func (c *Client) Stats(ctx context.Context) (Stats, error) { return c.stats(ctx, "") }

// Sharing asks the keeper which leases and budgets are in use, which takes it no time, however much is stored.
func (c *Client) Sharing(ctx context.Context) (Sharing, error) {
	s, err := c.stats(ctx, proto.Brief)
	return s.Sharing, err
}

func (c *Client) stats(ctx context.Context, what string) (Stats, error) {
	reply, err := c.call(ctx, 0, proto.OpStats, []byte(what))
	if err == nil {
		err = refusal(reply)
	}
	if err != nil {
		return Stats{}, err
	}
	return proto.ParseStats(reply.Body)
}

// Purge removes the values that match f, all of them if it names nothing, and answers how many they were.
func (c *Client) Purge(ctx context.Context, f Filter) (removed int, err error) {
	reply, err := c.call(ctx, 0, proto.OpPurge, f.Append(nil))
	if err == nil {
		err = refusal(reply)
	}
	if err != nil {
		return 0, err
	}
	n, err := proto.ParseCount(reply.Body)
	return int(n), err
}

// Stop makes the keeper leave, though it has users, and waits until it has closed the database. The client is closed
// after that. Other clients that need a keeper after that start one.
func (c *Client) Stop(ctx context.Context) error {
	l, err := c.connected(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	reply, err := l.call(ctx, replyTimeout, proto.OpStop, nil)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return passing(err)
	case reply.Code != proto.OK:
		return refusal(reply)
	}
	select {
	case <-l.down:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func refusal(reply proto.Frame) error {
	switch reply.Code {
	case proto.OK:
		return nil
	case proto.NoSpace:
		return passing(ErrNoSpace)
	}
	return passing(fmt.Errorf("%w: %s", ErrRefused, reply.Body))
}
