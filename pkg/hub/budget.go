package hub

import (
	"context"
	"fmt"
	"time"

	"gptpipe/pkg/hub/proto"
)

// A Budget is a rate of requests that all processes share.
type Budget = proto.Budget

// Sharing says which leases and budgets are in use.
type Sharing = proto.Sharing

// A BudgetUse is a budget with the limits in force, its users and those who wait.
type BudgetUse = proto.BudgetUse

// Start waits until a request that will take about so many tokens may start. Connections that wait take turns. A
// budget that nobody has set a limit for never waits.
func (c *Client) Start(ctx context.Context, b Budget, tokens int) error {
	if !b.Valid() {
		return permanent(fmt.Errorf("budget %q: a limit or the name cannot be taken", b.Name))
	}
	c.use(b)
	s := proto.Start{ID: c.nextID(), Tokens: uint64(min(max(tokens, 0), proto.MaxTokens)), Budget: b}
	reply, _, err := c.await(ctx, proto.OpStart, s.Append(nil), proto.OpForget)
	if err != nil {
		return err
	}
	return refusal(reply)
}

// Settle tells that a request took so many tokens more, or, if negative, less than were reserved at Start. It never
// blocks. While the connection is broken it is kept for the next one; only what was under way when it broke is lost.
func (c *Client) Settle(b Budget, tokens int) {
	if tokens == 0 || !b.Valid() {
		return
	}
	s := proto.Settle{Name: b.Name, Tokens: int64(min(max(tokens, -proto.MaxTokens), proto.MaxTokens))}
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

// use notes the limits that this client asks for, to tell them to the next keeper.
func (c *Client) use(b Budget) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b == (Budget{Name: b.Name}) {
		delete(c.budgets, b.Name)
	} else {
		c.budgets[b.Name] = b
	}
}
