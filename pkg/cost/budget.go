package cost

import (
	"container/list"
	"context"
	"fmt"
	"math"
	"sync"

	"gptpipe/pkg/price"
)

// Unlimited is the limit of a Budget that only adds up.
const Unlimited price.Nano = math.MaxInt64

// An ExceededError ends a run: its next request could pass the limit, whatever
// becomes of those in flight.
type ExceededError struct {
	Limit    price.Nano
	Spent    price.Nano // for what has ended
	Reserved price.Nano // the most that what is in flight can cost
	Need     price.Nano // the most that the request can cost

	// Capped tells that the request itself bounds its answer. Otherwise Need
	// is so much because the model may answer at any length.
	Capped bool
}

func (e *ExceededError) Error() string {
	text := fmt.Sprintf("the next request may cost %v, which --max-cost %v does not allow: %v is spent", e.Need, e.Limit, e.Spent)
	if e.Reserved > 0 {
		text += fmt.Sprintf(", up to %v in flight", e.Reserved)
	}
	return text
}

// Hint is what the user can do about it.
func (e *ExceededError) Hint() string {
	if !e.Capped {
		return "the longest answer of the model is reckoned with; --max-tokens sets a shorter one"
	}
	return "run again with a higher --max-cost to go on"
}

// A Budget is what a run may spend, and what it has. It is safe for concurrent
// use.
//
// Reservations are granted first come, first served: one that waits lets none
// pass, so that a large one has its turn.
type Budget struct {
	limit price.Nano

	mu       sync.Mutex // guards all below
	spent    price.Nano
	reserved price.Nano
	line     list.List      // of *reservation
	stopped  *ExceededError // once it has been exceeded
}

// A reservation waits in line.
type reservation struct {
	most   price.Nano
	capped bool
	done   chan error // of capacity 1: granted, or why not
}

// NewBudget returns a budget of limit.
func NewBudget(limit price.Nano) *Budget { return &Budget{limit: limit} }

// Spent returns what has been spent so far, for the progress line and metrics.
// What is in flight is not in it.
func (b *Budget) Spent() price.Nano {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spent
}

// Reserve sets aside the most that a request can cost, which Settle is to give
// back. It waits while that does not fit beside what is in flight: what is may
// turn out to cost nothing. Where it cannot fit any more the error is an
// *ExceededError, and so it is for every call from then on; otherwise errors are
// the cause of ctx. capped is that of the ExceededError.
func (b *Budget) Reserve(ctx context.Context, most price.Nano, capped bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	r := &reservation{most, capped, make(chan error, 1)}
	b.mu.Lock()
	place := b.line.PushBack(r)
	b.serve()
	b.mu.Unlock()
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case err := <-r.done: // it was decided in the meantime
		if err != nil {
			return err
		}
		b.reserved -= most
	default:
		b.line.Remove(place)
	}
	b.serve()
	return context.Cause(ctx)
}

// Settle ends a reservation of most with what the request did cost.
func (b *Budget) Settle(most, cost price.Nano) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reserved -= most
	b.spent = b.spent.Plus(cost)
	b.serve()
}

// serve decides on as many of those in line as can be.
func (b *Budget) serve() {
	for b.line.Len() > 0 {
		first := b.line.Front()
		r := first.Value.(*reservation)
		switch left := b.limit - b.spent; {
		case b.stopped != nil:
			r.done <- b.stopped
		case r.most > left:
			b.stopped = &ExceededError{b.limit, b.spent, b.reserved, r.most, r.capped}
			r.done <- b.stopped
		case r.most > left-b.reserved:
			return
		default:
			b.reserved += r.most
			r.done <- nil
		}
		b.line.Remove(first)
	}
}
