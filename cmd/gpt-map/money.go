package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/cost"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/ordered"
	"gptpipe/pkg/price"
)

// expectedAnswer is how many tokens an answer is taken to have, at least, by
// --dry-run.
const expectedAnswer = 300

// A dollars is a flag value: an amount of money above nothing.
type dollars struct {
	price.Nano
	given string
}

// Set reads s, for flag.Value.
func (d *dollars) Set(s string) (err error) {
	if d.Nano, err = price.ParseUSD(s); err == nil && d.Nano <= 0 {
		err = fmt.Errorf("not an amount above zero")
	}
	d.given = s
	return err
}

func (d *dollars) String() string { return d.given }

// A till knows the price of the model and what has been spent.
type till struct {
	table  *price.Table
	price  price.Price
	known  bool
	budget *cost.Budget // nil: what is spent is not known
}

// openTill reads the prices of a model.
func openTill(file string, p llm.Params, batch bool) (*till, error) {
	t := &till{table: price.Builtin()}
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, cli.Usagef("--prices: %w", err)
		}
		if t.table, err = t.table.Override(file, data); err != nil {
			return nil, cli.Usagef("--prices: %w", err)
		}
	}
	if batch { // which has no tiers
		t.price, t.known = t.table.Lookup(p.Model)
		t.price = t.price.Scale(price.Half)
	} else {
		t.price, t.known = t.table.For(p.Model, p.Options)
	}
	return t, nil
}

// limit keeps a run to an amount, or with 0 only adds up what it costs.
func (t *till) limit(most price.Nano, p llm.Params) (func(llm.Completer) llm.Completer, error) {
	switch {
	case most == 0 && !t.known:
		return func(next llm.Completer) llm.Completer { return next }, nil
	case !t.known:
		return nil, cli.WithHint(cli.Usagef("--max-cost: the price of %s is not known", p.Model), "give it in a file, with --prices")
	case most != 0 && t.price.MaxOutput == 0 && t.price.Output > 0 && p.MaxTokens == 0:
		return nil, cli.WithHint(cli.Usagef("--max-cost: it is not known how long an answer of %s can be", p.Model), "limit it with --max-tokens")
	case most == 0:
		most = cost.Unlimited
	}
	t.budget = cost.NewBudget(most)
	return func(next llm.Completer) llm.Completer {
		return cost.Limit(next, t.budget, t.price, cost.NewCounter(p.Model))
	}, nil
}

// dryRun counts what would be asked, and writes the sum. What the journal or the cache has is not asked, nor what is in
// a batch under way, nor what equals an earlier question, where the run asks it once.
func (m *mapper) dryRun() error {
	j, err := openJournal(m.o.output, m.client.Refreshes())
	if err != nil {
		return err
	}
	if j != nil {
		defer j.Close()
		m.client.Journal(j)
	}
	var submitted *batch.Submitted
	if m.o.batch {
		job := m.client.BatchJob()
		if job.Dir, err = m.batchDir(); err != nil {
			return err
		}
		if submitted, err = batch.Look(job); err != nil {
			return m.batchFailed(job.Dir, err)
		}
		defer submitted.Close()
	}
	var asked *questions
	if m.o.batch || m.client.AsksOnce() {
		asked = newQuestions(mostQuestions)
	}
	kept := m.client.Kept()
	t, model := m.money, m.client.Model()
	var price *price.Price
	if t.known {
		price = &t.price
	}
	answer := expectedAnswer
	if m.o.embed {
		answer = cost.Embeddings
	}
	sum := cost.NewEstimate(price, t.table.Date(model), answer)
	counter := cost.NewCounter(model)
	count := func(ctx context.Context, it item) (struct{}, error) {
		req, before, err := m.question(it)
		switch {
		case err != nil:
			return struct{}{}, err
		case req == nil && before.why != nil:
			sum.Unasked("bad")
			return struct{}{}, nil
		case req == nil:
			sum.Unasked("passed")
			return struct{}{}, nil
		}
		if resp, _ := kept.Find(ctx, req); resp != nil {
			sum.Unasked("answered")
			return struct{}{}, nil
		}
		if submitted != nil {
			under, err := submitted.Has(req.Body)
			if err != nil {
				return struct{}{}, err
			}
			if under {
				sum.Unasked("submitted")
				return struct{}{}, nil
			}
		}
		if asked != nil && asked.has(req.Body) {
			sum.Unasked("equal")
			return struct{}{}, nil
		}
		in, err := counter.Count(req.Body)
		if err == nil {
			sum.Add(in)
		}
		return struct{}{}, err
	}
	jobs := runtime.GOMAXPROCS(0)
	err = ordered.Map(m.drain.Soft, ordered.Options{Jobs: jobs, Window: windowPerJob * jobs}, m.source.next, count, nowhere{})
	if err != nil {
		return err
	}
	_, err = io.WriteString(m.sys.Stdout, sum.String())
	return err
}

// mostQuestions is how many different questions a dry run keeps to know equal ones by,
// so that memory ends. Beyond them it says too much, and never too little.
const mostQuestions = 1 << 20

// questions tells the first of equal questions from the others.
type questions struct {
	mu   sync.Mutex
	seen []uint64 // eight bytes of a sum, which tell a million apart, each as near as may be after its place; 0: free
	room int
}

func newQuestions(room int) *questions { return &questions{seen: make([]uint64, 2*room), room: room} }

// has reports whether a question is known. One that is not is from then on, as long
// as there is room.
func (q *questions) has(body []byte) bool {
	h := sha256.Sum256(body)
	name := max(binary.NativeEndian.Uint64(h[:]), 1)
	q.mu.Lock()
	defer q.mu.Unlock()
	at := name % uint64(len(q.seen))
	for q.seen[at] != 0 {
		if q.seen[at] == name {
			return true
		}
		at = (at + 1) % uint64(len(q.seen))
	}
	if q.room > 0 {
		q.seen[at] = name
		q.room--
	}
	return false
}

// nowhere takes results that are none.
type nowhere struct{}

func (nowhere) Write(struct{}) error { return nil }
func (nowhere) Flush() error         { return nil }
