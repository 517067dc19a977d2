// Package observe counts what the commands do and writes it in the Prometheus
// text exposition format.
//
// A Counters is the sum of one process. The hub adds the sums of all of a
// user's processes together, so a series is a plain name with its labels, as
// it stands in the exposition, and its value a number that only grows.
//
// It does not use the Prometheus client library: that one collects the state
// of one process, which is what these commands do not want, and would add a
// third to their size and start-up time.
package observe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gptpipe/pkg/llm"
)

// buckets are the upper bounds of gpt_response_time_seconds.
var buckets = [...]float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300}

// Counters are what one process has counted, by series. It is safe for
// concurrent use.
type Counters struct {
	mu       sync.Mutex
	values   map[string]float64
	outcomes map[outcome]float64
	times    map[asker]*histogram
	tokens   map[asker]*tokens
	now      map[asker]*present
	changed  bool // since Changed was asked

	requests, used int64 // ever
}

// An asker is a command and the model that it asks.
type asker struct{ command, model string }

// An outcome is how a request ended: an HTTP status, or the type of an error
// without one.
type outcome struct {
	asker
	status string
}

// A histogram is the times that answers took.
type histogram struct {
	counts [len(buckets) + 1]float64 // by the least bound that a time is within, if any
	sum    float64                   // seconds
}

// tokens are what answers were billed by.
type tokens struct{ input, output, dollars float64 }

// present is what is so now.
type present struct{ queued, inFlight float64 }

// NewCounters returns counters that have counted nothing.
func NewCounters() *Counters {
	c := &Counters{now: map[asker]*present{}}
	c.reset()
	return c
}

func (c *Counters) reset() {
	c.values = map[string]float64{}
	c.outcomes = map[outcome]float64{}
	c.times = map[asker]*histogram{}
	c.tokens = map[asker]*tokens{}
}

// Add adds by to a series.
func (c *Counters) Add(series string, by float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[series] += by
	c.changed = true
}

// Used is how many requests have ended, and how many tokens they took, in all.
func (c *Counters) Used() (requests, tokens int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests, c.used
}

// request counts a request that ended, and what it was billed for.
func (c *Counters) request(o outcome, took time.Duration, b Bill) {
	seconds := took.Seconds()
	bucket, _ := slices.BinarySearch(buckets[:], seconds)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	c.outcomes[o]++
	c.bill(o.asker, b)
	h := c.times[o.asker]
	if h == nil {
		h = new(histogram)
		c.times[o.asker] = h
	}
	h.counts[bucket]++
	h.sum += seconds
}

// Billed counts what an answer took that came another way than by a request of
// its own.
func (c *Counters) Billed(command, model string, b Bill) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = true
	c.bill(asker{command, model}, b)
}

// bill counts what an answer took. The caller holds mu.
func (c *Counters) bill(a asker, b Bill) {
	if b.Input+b.Output == 0 {
		return
	}
	c.used += int64(b.Input + b.Output)
	t := c.tokens[a]
	if t == nil {
		t = new(tokens)
		c.tokens[a] = t
	}
	t.input += float64(b.Input)
	t.output += float64(b.Output)
	t.dollars += b.Dollars
}

// Take returns what was counted since the last Take.
func (c *Counters) Take() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.values
	for o, n := range c.outcomes {
		taken[Series("gpt_requests_total", "command", o.command, "model", o.model, "status", o.status)] += n
	}
	for a, t := range c.tokens {
		taken[Series("gpt_tokens_total", "command", a.command, "model", a.model, "kind", "input")] += t.input
		taken[Series("gpt_tokens_total", "command", a.command, "model", a.model, "kind", "output")] += t.output
		if t.dollars > 0 {
			taken[Series("gpt_cost_dollars_total", "command", a.command, "model", a.model)] += t.dollars
		}
	}
	for a, h := range c.times {
		h.series(a, taken)
	}
	c.reset()
	return taken
}

// series adds a histogram's series, in which each bucket holds the smaller ones.
func (h *histogram) series(a asker, to map[string]float64) {
	const name = "gpt_response_time_seconds"
	labels := []string{"command", a.command, "model", a.model}
	total := 0.0
	for i, n := range h.counts {
		le := "+Inf"
		if i < len(buckets) {
			le = fmt.Sprint(buckets[i])
		}
		total += n
		to[Series(name+"_bucket", append(labels[:len(labels):len(labels)], "le", le)...)] += total
	}
	to[Series(name+"_sum", labels...)] += h.sum
	to[Series(name+"_count", labels...)] += total
}

// Series writes a name and its labels, given as name and value in turn, as
// the exposition has them.
func Series(name string, labels ...string) string {
	var b strings.Builder
	b.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(labels[i])
		b.WriteString(`="`)
		b.WriteString(escapeLabel(labels[i+1]))
		b.WriteByte('"')
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	return b.String()
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func escapeLabel(s string) string { return labelEscapes.Replace(strings.ToValidUTF8(s, "\ufffd")) }

// A Family is the name of a metric that has a series for each command and model.
type Family string

// What a client counts itself.
const (
	CacheHits   Family = "gpt_cache_hits_total"
	CacheMisses Family = "gpt_cache_misses_total"
	Retries     Family = "gpt_retries_total"
	limitWait   Family = "gpt_limit_wait_seconds_total"
	inFlight    Family = "gpt_requests_in_flight"
	queued      Family = "gpt_requests_queued"
)

// Series is that of one command and model.
func (f Family) Series(command, model string) string {
	return Series(string(f), "command", command, "model", model)
}

// Changed reports whether anything has been counted since it was last asked.
func (c *Counters) Changed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := c.changed
	c.changed = false
	return changed
}

// Gauges returns what is so now: requests that are in flight, and that wait for
// the limits. There are none when nothing is asked.
func (c *Counters) Gauges() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	gauges := map[string]float64{}
	for a, n := range c.now {
		if *n != (present{}) {
			gauges[inFlight.Series(a.command, a.model)] = n.inFlight
			gauges[queued.Series(a.command, a.model)] = n.queued
		}
	}
	return gauges
}

// change adds to what is so now.
func (c *Counters) change(a asker, queued, inFlight float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.now[a]
	if n == nil {
		n = new(present)
		c.now[a] = n
	}
	n.queued += queued
	n.inFlight += inFlight
	c.changed = true
}

// A place in the queue of requests that wait for the limits.
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
		c.change(a, 1, 0)
		resp, err := next.Complete(context.WithValue(ctx, placeKey{}, p), req)
		if !p.left {
			c.leave(a, p)
		}
		return resp, err
	})
}

// leave ends a wait for the limits.
func (c *Counters) leave(a asker, p *place) {
	p.left = true
	c.change(a, -1, 0)
	if wait := time.Since(p.since); wait > time.Millisecond { // else it did not wait
		c.Add(limitWait.Series(a.command, a.model), wait.Seconds())
	}
}

// A Bill is what an answer took, as its usage says.
type Bill struct {
	Input, Output int     // tokens
	Dollars       float64 // 0: not known
}

// Requests counts each attempt that next makes, by its outcome (the HTTP
// status, or the type of an error without one), how long it took, and what its
// answer was billed for.
func Requests(next llm.Completer, c *Counters, command string, billed func(model string, usage json.RawMessage) Bill) llm.Completer {
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		a := asker{command, req.Model}
		if p, ok := ctx.Value(placeKey{}).(*place); ok && !p.left {
			c.leave(a, p)
		}
		c.change(a, 0, 1)
		defer c.change(a, 0, -1)
		begin := time.Now()
		resp, err := next.Complete(ctx, req)
		status := "200"
		var e *llm.Error
		switch {
		case errors.As(err, &e) && e.Status != 0:
			status = strconv.Itoa(e.Status)
		case e != nil:
			status = string(e.Type)
		case err != nil:
			return resp, err // not begun
		}
		took := time.Since(begin)
		var b Bill
		if resp != nil {
			b = billed(req.Model, resp.Usage)
		}
		c.request(outcome{a, status}, took, b)
		return resp, err
	})
}
