package main

import (
	"errors"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/cost"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/price"
)

// reserve sets the most that a request can cost aside before it is submitted,
// if --max-cost allows it beside what is under way.
func (b *batchRun) reserve(req batch.Request) error {
	most, capped, _ := b.worst(req.Body)
	limit, spent := b.o.maxCost.Nano, b.money.budget.Spent()
	if most > limit-spent-b.reserved {
		err := &cost.ExceededError{Limit: limit, Spent: spent, Reserved: b.reserved, Need: most, Capped: capped}
		b.sys.Log.Warnf("not all is submitted: %v", err)
		return err
	}
	b.reserved += most
	return nil
}

// notAll is the error of a run that has submitted a part of its requests, with
// what is spent now that the answers to these are there.
func (b *batchRun) notAll(err error) error {
	var e *cost.ExceededError
	if !errors.As(err, &e) {
		return err
	}
	now := *e
	now.Spent, now.Reserved = b.money.budget.Spent(), b.reserved
	if now.Need > now.Limit {
		return &now
	}
	hint := "run again to go on; that run may cost as much"
	if !now.Capped {
		hint += "; " + now.Hint()
	}
	err = cli.Failf(cli.StatusStopped, "--max-cost %v: not all was submitted; %v is spent", now.Limit, now.Spent)
	return cli.WithHint(err, "%s", hint)
}

// worst is the most that a request can cost, whether it bounds its answer
// itself, or why there is no such amount.
func (b *batchRun) worst(body []byte) (most price.Nano, capped bool, unknown string) {
	in, err := b.counter.Count(body)
	if err != nil {
		return 0, false, err.Error()
	}
	most, unknown = cost.Worst(b.money.price, in)
	return most, in.MaxOutput > 0, unknown
}

// settle replaces what was reserved for a request by what it did cost. With
// --max-cost, what an earlier run has submitted counts as that one's.
func (b *batchRun) settle(o batch.Outcome) {
	limited := b.o.maxCost.Nano != 0
	if b.money.budget == nil || limited && !o.Reserved {
		return
	}
	var most price.Nano
	if limited {
		most, _, _ = b.worst(o.Body)
		b.reserved -= most
	}
	b.money.budget.Settle(0, b.costOf(o, most))
}

// costOf is what a line of a batch did cost: what expired or failed, nothing;
// what was answered in a way that cannot be read, the most that it may have.
func (b *batchRun) costOf(o batch.Outcome, most price.Nano) price.Nano {
	switch {
	case o.Response == nil && (o.Err.Type == llm.BadResponse || o.Err.Type == llm.Schema):
		return most
	case o.Response == nil:
		return 0
	}
	usage, ok := price.ParseUsage(o.Response.Usage)
	if !ok {
		return most
	}
	return b.money.price.Of(usage)
}
