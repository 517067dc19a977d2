package cost

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"gptpipe/pkg/price"
)

// An Estimate sums up requests that are not sent. It is safe for concurrent use.
type Estimate struct {
	price  *price.Price
	date   string
	answer int

	mu        sync.Mutex // guards all below
	records   int
	unasked   map[string]int // of records
	input     int            // tokens
	estimated int            // of input
	unknown   int            // requests that their tokens do not tell the cost of
	unbounded int            // requests whose answer may have any length
	least     sumOf
	most      sumOf
}

// A sumOf is tokens of answers, and the cost with these.
type sumOf struct {
	output int
	cost   price.Nano
}

// Embeddings is the length of answers that have no tokens.
const Embeddings = -1

// NewEstimate returns one of requests at price, or with nil at an unknown one.
// date is that of the prices, if it is known. answer is how many tokens an answer
// is expected to have: 0 leaves answers out of the least that is reckoned with.
func NewEstimate(price *price.Price, date string, answer int) *Estimate {
	return &Estimate{price: price, date: date, answer: answer, unasked: map[string]int{}}
}

// Add adds a request.
func (e *Estimate) Add(in Input) {
	var p price.Price
	if e.price != nil {
		p = *e.price
	}
	longest := in.MaxOutput
	if longest == 0 {
		longest = p.MaxOutput
	}
	embeds := e.answer == Embeddings
	expected := e.answer
	switch {
	case embeds:
		longest, expected = 0, 0
	case longest > 0:
		expected = min(expected, longest)
	}
	longest, expected = longest*in.Answers, expected*in.Answers

	e.mu.Lock()
	defer e.mu.Unlock()
	e.records++
	e.input += in.Tokens
	e.estimated += in.Estimated
	if in.Unknown != "" {
		e.unknown++
	}
	if longest == 0 && !embeds {
		e.unbounded++
	}
	e.least.add(expected, p.Of(price.Usage{Input: in.Tokens, Output: expected}))
	e.most.add(longest, p.Most(in.most(), longest))
}

func (s *sumOf) add(output int, cost price.Nano) {
	s.output += output
	s.cost = s.cost.Plus(cost)
}

// Unasked adds a record that makes no request, and why, in a word.
func (e *Estimate) Unasked(why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.records++
	e.unasked[why]++
}

// The cost is not known without a price, or with a request that its tokens do not tell the cost of, or whose answer may
// have any length and costs something. What the provider finds in its prompt cache may make it less.
func (e *Estimate) known() bool {
	return e.price != nil && e.unknown == 0 && (e.unbounded == 0 || e.price.Output == 0)
}

// String is the estimate for people, one "name: value" a line.
func (e *Estimate) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out strings.Builder
	line := func(name, format string, args ...any) { fmt.Fprintf(&out, name+": "+format+"\n", args...) }
	line("records", "%d", e.records)
	for _, why := range slices.Sorted(maps.Keys(e.unasked)) {
		line("of these "+why, "%d", e.unasked[why])
	}
	line("input tokens", "%d", e.input)
	if e.estimated > 0 {
		line("of these estimated", "%d", e.estimated)
	}
	switch {
	case e.unbounded > 0:
		line("output tokens", "unknown")
	case e.least.output == e.most.output:
		line("output tokens", "%d", e.most.output)
	default:
		line("output tokens", "%d to %d", e.least.output, e.most.output)
	}
	switch {
	case !e.known():
		line("cost", "unknown")
	case e.least.cost == e.most.cost:
		line("cost", "%v", e.most.cost)
	default:
		line("cost", "%v to %v", e.least.cost, e.most.cost)
	}
	if e.unknown > 0 {
		line("records of unknown cost", "%d", e.unknown)
	}
	if e.price != nil && e.date != "" {
		line("prices of", "%s", e.date)
	}
	return out.String()
}
