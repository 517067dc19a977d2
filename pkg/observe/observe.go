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
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"gptpipe/pkg/llm"
)

// buckets are the upper bounds of gpt_response_time_seconds.
var buckets = []float64{0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300}

// Counters are what one process has counted, by series. It is safe for
// concurrent use.
type Counters struct {
	mu     sync.Mutex
	values map[string]float64
}

// NewCounters returns counters that have counted nothing.
func NewCounters() *Counters { return &Counters{values: map[string]float64{}} }

// Add adds by to a series.
func (c *Counters) Add(series string, by float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[series] += by
}

// Take returns what was counted since the last Take.
func (c *Counters) Take() map[string]float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.values
	c.values = map[string]float64{}
	return taken
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

func escapeLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(strings.ToValidUTF8(s, "\ufffd"))
}

// CacheHits is the series of answers that came from the cache.
func CacheHits(command, model string) string {
	return Series("gpt_cache_hits_total", "command", command, "model", model)
}

// Requests counts each attempt that next makes, by its outcome (the HTTP
// status, or the type of an error without one), and how long it took.
func Requests(next llm.Completer, c *Counters, command string) llm.Completer {
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
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
		c.Add(Series("gpt_requests_total", "command", command, "model", req.Model, "status", status), 1)
		c.observe(time.Since(begin).Seconds(), "command", command, "model", req.Model)
		return resp, err
	})
}

// observe adds a value to the histogram of response times.
func (c *Counters) observe(seconds float64, labels ...string) {
	const name = "gpt_response_time_seconds"
	for _, le := range buckets {
		by := 0.0
		if seconds <= le {
			by = 1
		}
		c.Add(Series(name+"_bucket", append(labels[:len(labels):len(labels)], "le", fmt.Sprint(le))...), by)
	}
	c.Add(Series(name+"_bucket", append(labels[:len(labels):len(labels)], "le", "+Inf")...), 1)
	c.Add(Series(name+"_sum", labels...), seconds)
	c.Add(Series(name+"_count", labels...), 1)
}
