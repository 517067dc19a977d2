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
	"fmt"
	"slices"
	"sync"
	"time"
)

// buckets are the upper bounds of gpt_response_time_seconds.
var buckets = [...]float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300}

// Counters are what one process has counted, by series. It is safe for
// concurrent use.
type Counters struct {
	label    func(model string) string
	mu       sync.Mutex
	values   map[string]float64
	tallies  map[asker]*tally
	changed  bool // since Changed was asked
	requests int64
	tokens   int64 // ever, as the requests
}

// An asker is a command and the model that it asks.
type asker struct{ command, model string }

// A tally is what has been counted of an asker since it was last taken, and
// what is so now.
type tally struct {
	counts                 map[Family]float64        // that the client counts itself
	statuses               map[string]float64        // requests by how they ended
	times                  [len(buckets) + 1]float64 // answers by the least bound that their time is within, if any
	seconds                float64                   // of all answers
	input, output, dollars float64                   // tokens, and what they cost
	waited                 float64                   // seconds, for the limits
	queued, inFlight       float64                   // now
}

func newTally() *tally {
	return &tally{counts: map[Family]float64{}, statuses: map[string]float64{}}
}

// NewCounters returns counters that have counted nothing. The label is what
// stands for a model in them: a name is whatever the user typed.
func NewCounters(label func(model string) string) *Counters {
	return &Counters{label: label, values: map[string]float64{}, tallies: map[asker]*tally{}}
}

// of is the tally of an asker, the same one each time. The caller holds mu, and is going to change it.
func (c *Counters) of(a asker) *tally {
	c.changed = true
	t := c.tallies[a]
	if t == nil && (len(c.tallies) >= MaxModels || len(a.model) > maxModel) {
		a.model = OtherModel
		t = c.tallies[a]
	}
	if t == nil {
		t = newTally()
		c.tallies[a] = t
	}
	return t
}

// Add adds by to a series.
func (c *Counters) Add(series string, by float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[series] += by
	c.changed = true
}

// Zero has the series of what a command gets from a model be there before they
// grow: how much they do is seen from the second sample on. Priced says that
// costs will be known.
func (c *Counters) Zero(command, model string, priced bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(model) > maxModel {
		model = OtherModel
	}
	a := []string{"command", command, "model", c.label(model)}
	c.values[Series("gpt_requests_total", append(a, "status", "200")...)] += 0
	c.values[Series("gpt_tokens_total", append(a, "kind", "input")...)] += 0
	c.values[Series("gpt_tokens_total", append(a, "kind", "output")...)] += 0
	if priced {
		c.values[Series("gpt_cost_dollars_total", a...)] += 0
	}
	c.changed = true
}

// Count adds one to the family's series of a command and model.
func (c *Counters) Count(f Family, command, model string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.of(asker{command, model}).counts[f]++
}

// Used is how many requests have ended, and how many tokens they took, in all.
func (c *Counters) Used() (requests, tokens int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requests, c.tokens
}

// Changed reports whether anything has been counted since it was last asked.
func (c *Counters) Changed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	changed := c.changed
	c.changed = false
	return changed
}

// A Bill is what an answer took, as its usage says.
type Bill struct {
	Input, Output int     // tokens
	Dollars       float64 // 0: not known
}

// Billed counts what an answer took that came another way than by a request of
// its own.
func (c *Counters) Billed(command, model string, b Bill) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bill(c.of(asker{command, model}), b)
}

// bill counts what an answer took. The caller holds mu.
func (c *Counters) bill(t *tally, b Bill) {
	c.tokens += int64(b.Input + b.Output)
	t.input += float64(b.Input)
	t.output += float64(b.Output)
	t.dollars += b.Dollars
}

// ended counts a request that ended.
func (c *Counters) ended(a asker, status string, took time.Duration, b Bill) {
	seconds := took.Seconds()
	bucket, _ := slices.BinarySearch(buckets[:], seconds)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	t := c.of(a)
	t.inFlight--
	t.statuses[status]++
	t.times[bucket]++
	t.seconds += seconds
	c.bill(t, b)
}

// Take returns what was counted since the last Take.
func (c *Counters) Take() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.values
	c.values = map[string]float64{}
	for a, t := range c.tallies {
		a.model = c.label(a.model)
		t.take(a, taken)
		queued, inFlight := t.queued, t.inFlight
		*t = *newTally()
		t.queued, t.inFlight = queued, inFlight
	}
	return taken
}

// take adds a tally's series.
func (t *tally) take(a asker, to map[string]float64) {
	add := func(name string, by float64, labels ...string) {
		to[Series(name, append([]string{"command", a.command, "model", a.model}, labels...)...)] += by
	}
	for f, n := range t.counts {
		add(string(f), n)
	}
	for status, n := range t.statuses {
		add("gpt_requests_total", n, "status", status)
	}
	if t.input+t.output > 0 {
		add("gpt_tokens_total", t.input, "kind", "input")
		add("gpt_tokens_total", t.output, "kind", "output")
	}
	if t.dollars > 0 {
		add("gpt_cost_dollars_total", t.dollars)
	}
	if t.waited > 0 {
		add("gpt_limit_wait_seconds_total", t.waited)
	}
	if t.times == [len(buckets) + 1]float64{} {
		return
	}
	within := 0.0 // each bucket holds the smaller ones
	for i, n := range t.times {
		le := "+Inf"
		if i < len(buckets) {
			le = fmt.Sprint(buckets[i])
		}
		within += n
		add("gpt_response_time_seconds_bucket", within, "le", le)
	}
	add("gpt_response_time_seconds_sum", t.seconds)
	add("gpt_response_time_seconds_count", within)
}

// Gauges returns what is so now: requests that are in flight, and that wait for
// the limits. There are none when nothing is asked.
func (c *Counters) Gauges() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	gauges := map[string]float64{}
	for a, t := range c.tallies {
		if model := c.label(a.model); t.inFlight > 0 || t.queued > 0 {
			gauges[inFlight.Series(a.command, model)] += t.inFlight
			gauges[queued.Series(a.command, model)] += t.queued
		}
	}
	return gauges
}
