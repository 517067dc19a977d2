package client

import (
	"context"
	"encoding/json"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/observe"
	"gptpipe/pkg/panics"
	"gptpipe/pkg/price"
)

// While a run lasts, its counters go to the hub so often, and the file of
// --metrics-file is written so often: as often as it is scraped.
const (
	tellEvery  = 2 * time.Second
	writeEvery = 15 * time.Second

	// So long each of the last steps of a run may take.
	endPatience = 5 * time.Second
)

// tell hands the counters on every so often, until the function that it
// returns is called; that hands on the rest. What a command gets from a model is
// told to be nothing as soon as it asks for the first time, and while it waits for
// the answer, so that a scrape may see the counters before they grow: Prometheus
// takes no first sample for an increase. None comes in between where a run is
// shorter than the time from one scrape to the next; the counters of the first
// such run of a command and model are then what all later ones add to.
func (c *Client) tell(every time.Duration) (end func()) {
	stop, stopped := make(chan struct{}), make(chan struct{})
	panics.Go(func() {
		defer close(stopped)
		tick := time.NewTicker(every)
		defer tick.Stop()
		written, asks := time.Now(), c.asks
		zero := func() {
			asks = nil
			if model := c.Model(); model != "" && !c.lines {
				c.counters.Zero(c.sys.Name, model, c.price(model) != nil)
			}
		}
		for {
			select {
			case <-stop:
				return
			case <-asks:
				zero()
				c.handOn(tellEvery)
			case now := <-tick.C:
				if asks != nil { // what is asked for in batches does not come by there
					zero()
				}
				if !c.counters.Changed() {
					break
				}
				if c.handOn(tellEvery); now.Sub(written) >= writeEvery {
					written = now
					c.writeMetrics(tellEvery)
				}
			}
		}
	})
	return func() {
		close(stop)
		<-stopped
		c.handOn(endPatience)
		c.writeMetrics(endPatience)
	}
}

// handOn adds what was counted to the totals of all processes, and returns
// these, or nil if they could not be had. What the hub did not take it takes the
// next time.
func (c *Client) handOn(patience time.Duration) map[string]float64 {
	if c.counts == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	totals, err := c.counts.Add(ctx, c.counters.Take(), c.counters.Gauges())
	if err != nil {
		return nil
	}
	return totals
}

// writeMetrics replaces the file of --metrics-file. It is left as it is where
// the totals of all processes are not known: smaller ones would be taken for
// counters that began anew. One process at a time fetches totals and writes
// them, so that the file never goes back, and whoever comes last has all.
func (c *Client) writeMetrics(patience time.Duration) {
	if c.plan.metrics == "" {
		return
	}
	var totals map[string]float64
	if c.counts != nil {
		dir, err := lockFolder(c.counts.Dir(), patience)
		if err != nil {
			c.sys.Log.Warnf("--metrics-file: %s is left to the other processes that write it: %v", c.plan.metrics, err)
			return
		}
		defer dir.Close()
		totals = c.handOn(patience)
	}
	if totals == nil {
		c.sys.Log.Warnf("--metrics-file: %s is left as it is, for the totals of all processes cannot be had", c.plan.metrics)
		return
	}
	if err := observe.WriteFile(c.plan.metrics, totals); err != nil {
		c.sys.Log.Warnf("--metrics-file: %v", err)
	}
}

// lockFolder locks a folder, which leaves nothing in it, until the file that is
// returned is closed.
func lockFolder(path string, patience time.Duration) (*os.File, error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for late := time.After(patience); ; {
		err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return dir, nil
		}
		select {
		case <-time.After(5 * time.Millisecond): // a system call that waits cannot be given up
		case <-late:
			dir.Close()
			return nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
	}
}

// bill reads what an answer took, and what that costs where the price is known.
func (c *Client) bill(model string, usage json.RawMessage) (b observe.Bill) {
	u, ok := price.ParseUsage(usage)
	if !ok {
		return b
	}
	b.Input, b.Output = u.Input, u.Output
	if p := c.price(model); p != nil {
		b.Dollars = p.Of(u).USD()
	}
	return b
}

// price returns the price of a model, or nil if it is not known.
func (c *Client) price(model string) *price.Price {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, looked := c.prices[model]
	if looked {
		return p
	}
	table := c.table.Load()
	if table == nil {
		table = builtin()
	}
	if found, known := table.For(model, c.plan.params.Options); known {
		p = &found
	}
	if c.prices == nil {
		c.prices = map[string]*price.Price{}
	}
	if len(c.prices) < 1000 { // a line of --format batch may name any
		c.prices[model] = p
	}
	return p
}

// Billed counts what a batch has billed for an answer.
func (c *Client) Billed(model string, resp *llm.Response) {
	b := c.bill(model, resp.Usage)
	b.Dollars *= float64(price.Half) / price.Standard
	c.counters.Billed(c.sys.Name, model, b)
}

// builtin reads the price table when a first answer is there, which gives the
// time to do it.
var builtin = sync.OnceValue(price.Builtin)

// missing counts what is asked because no answer is kept.
func (c *Client) missing(next llm.Completer) llm.Completer {
	if !c.caches || c.refreshes {
		return next
	}
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		c.counters.Count(observe.CacheMisses, c.sys.Name, req.Model)
		return next.Complete(ctx, req)
	})
}

// label is a model's name as others may see it: one may be a key in the wrong
// place.
func (c *Client) label(model string) string {
	if known, ok := c.labels.Load(model); ok {
		return known.(string)
	}
	label := c.sys.Redact.String(model)
	if c.labelled.Add(1) < 1000 { // a line of --format batch may name any
		c.labels.Store(model, label)
	}
	return label
}

// SetPrices has the cost counted by other prices than the built-in ones, before
// anything is asked.
func (c *Client) SetPrices(t *price.Table) { c.table.Store(t) }

// queue stands around the limits, for the counters.
func (c *Client) queue(next llm.Completer) llm.Completer {
	next = observe.Queue(next, c.counters, c.sys.Name)
	begin := sync.OnceFunc(func() { close(c.asks) })
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		begin()
		return next.Complete(ctx, req)
	})
}
