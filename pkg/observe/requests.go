package observe

import (
	"context"
	"encoding/json"
	"strconv"
	"time"

	"gptpipe/pkg/llm"
)

// shortest is the time below which a request has not waited.
const shortest = time.Millisecond

// A place is one in the queue of requests that wait for the limits.
type place struct {
	since time.Time
	left  bool
}

type placeKey struct{}

// Queue stands around the limits, and Requests behind them: it counts the time
// that requests spend in between, waiting.
func Queue(next llm.Completer, c *Counters, command string) llm.Completer {
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		a, p := asker{command, req.Model}, &place{since: time.Now()}
		c.mu.Lock()
		c.of(a).queued++
		c.mu.Unlock()
		resp, err := next.Complete(context.WithValue(ctx, placeKey{}, p), req)
		if !p.left {
			c.mu.Lock()
			c.of(a).leave(p)
			c.mu.Unlock()
		}
		return resp, err
	})
}

// leave ends a wait for the limits.
func (t *tally) leave(p *place) {
	p.left = true
	t.queued--
	if wait := time.Since(p.since); wait >= shortest {
		t.waited += wait.Seconds()
	}
}

// Requests counts each attempt that next makes, by its outcome (the HTTP
// status, or the type of an error without one), how long it took, and what its
// answer was billed for.
func Requests(next llm.Completer, c *Counters, command string, billed func(model string, usage json.RawMessage) Bill) llm.Completer {
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		a := asker{command, req.Model}
		c.begun(ctx, a)
		begin := time.Now()
		resp, err := next.Complete(ctx, req)
		took, status := time.Since(begin), outcome(err)
		if status == "" {
			c.mu.Lock()
			c.of(a).inFlight--
			c.mu.Unlock()
			return resp, err
		}
		var b Bill
		if resp != nil {
			b = billed(req.Model, resp.Usage)
		}
		c.ended(a, status, took, b)
		return resp, err
	})
}

// Call counts a request that is for a model and asks it nothing: one to the
// files and batches of a provider. How long that takes says nothing of the
// answers, and is not counted.
func (c *Counters) Call(command, model string, send func() error) error {
	a := asker{command, model}
	c.begun(context.Background(), a)
	err := send()
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.of(a)
	t.inFlight--
	if status := outcome(err); status != "" {
		c.requests++
		t.statuses[status]++
	}
	return err
}

// outcome is the status that a request ended with, or the type of its error; it
// is empty when none was sent.
func outcome(err error) string {
	e := llm.Failed(err)
	switch {
	case err == nil:
		return "200"
	case e == nil:
		return ""
	case e.Status != 0:
		return strconv.Itoa(e.Status)
	}
	return string(e.Type)
}

// begun counts a request as in flight, and as waiting no more.
func (c *Counters) begun(ctx context.Context, a asker) {
	p, _ := ctx.Value(placeKey{}).(*place)
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.of(a)
	t.inFlight++
	if p != nil && !p.left {
		t.leave(p)
	}
}
