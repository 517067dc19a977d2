package main

import (
	"errors"
	"io"
	"iter"
	"strings"
	"sync/atomic"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/client"
	"gptpipe/pkg/cost"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/price"
)

// resubmits is how often a request that expired is put into a further batch.
const resubmits = 2

// A batchRun is what a run of the Batch API has beside the mapper.
type batchRun struct {
	*mapper
	kept    *client.Kept
	counter *cost.Counter

	reserved price.Nano   // the most that what is submitted may cost
	passed   atomic.Int64 // records that nothing is submitted for
}

// runBatch has the records answered by the provider's Batch API.
func (m *mapper) runBatch() error {
	var err error
	if m.batches, err = m.batchDir(); err != nil {
		return err
	}
	b := &batchRun{mapper: m, kept: m.client.Kept(), counter: cost.NewCounter(m.client.Model())}
	job := m.client.BatchJob()
	job.Dir = m.batches
	job.Resubmit = resubmits
	job.Requests = b.requests()
	job.Took = b.took
	job.Emit = b.result
	job.Report = b.report()
	job.Warn = func(err error) { m.sys.Log.Warnf("%v", err) }
	if m.o.maxCost.Nano != 0 {
		job.Reserve = b.reserve
	}
	err = batch.Run(m.drain.Soft, job)
	switch {
	case errors.Is(err, batch.ErrLacking):
		err = cli.WithHint(err, "run again to look for them; to have them submitted anew, and paid for again, remove %s", m.batches)
	case errors.Is(err, batch.ErrGone):
		err = cli.WithHint(err, "to have its requests submitted anew, and paid for again, remove %s", m.batches)
	case errors.Is(err, batch.ErrInUse):
		err = cli.WithHint(cli.Usagef("--batch: %w", err), "another job of the same kind needs an output file of its own, with -o")
	case errors.Is(err, batch.ErrForeign):
		err = cli.WithHint(cli.Usagef("--batch: %s: %w", m.batches, err), "collect them from there, or remove the folder")
	}
	if flushed := m.Flush(); err == nil {
		err = flushed
	}
	return err
}

// requests are the questions of the records that have no answer yet, and with
// each record what its result is made of.
func (b *batchRun) requests() iter.Seq2[batch.Request, error] {
	return func(yield func(batch.Request, error) bool) {
		for {
			it, err := b.source.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(batch.Request{}, err)
				return
			}
			b.done.Add(1)
			req, r, err := b.ask(it)
			out := batch.Request{Model: b.client.Model(), Data: packed(r)}
			if req != nil {
				out.Body = req.Body
			} else {
				b.passed.Add(1)
			}
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

// ask makes the request for a record, or says what comes of it without one.
func (b *batchRun) ask(it item) (*llm.Request, result, error) {
	req, r, err := b.question(it)
	if err != nil {
		return nil, r, err
	}
	if req == nil {
		if r.why != nil {
			b.judge(true)
		}
		return nil, r, nil
	}
	if b.o.maxCost.Nano != 0 {
		if _, _, why := b.worst(req.Body); why != "" {
			b.judge(true)
			e := &llm.Error{Type: llm.InvalidRequest, Message: "its cost has no known bound: " + why}
			return nil, b.failure(r.record, e, nil), nil
		}
	}
	resp, err := b.kept.Find(b.drain.Soft, req)
	if errors.Is(err, client.ErrNotKept) {
		return req, r, nil
	}
	r, err = b.answered(r.record, resp, err)
	return nil, r, err
}

// took keeps an answer, and counts what it cost and whether it is one.
func (b *batchRun) took(o batch.Outcome) error {
	b.settle(o)
	if !o.Again {
		b.judge(o.Err != nil)
	}
	if o.Response == nil {
		return nil
	}
	if !o.Again {
		b.client.Billed(o.Model, o.Response)
	}
	req := &llm.Request{Model: o.Model, Body: o.Body, Sample: b.client.Sample(), Again: b.o.retryFailed}
	return b.kept.Keep(b.drain.Soft, req, o.Response)
}

// result writes what became of a record.
func (b *batchRun) result(got batch.Result) error {
	r, err := unpacked(got.Data)
	switch {
	case err != nil:
		return err
	case !got.Asked:
	case got.Err != nil && got.Err.Final():
		return got.Err
	case got.Err != nil:
		r = b.failure(r.record, got.Err, got.Response)
	default:
		r = b.succeed(r.record, got.Response)
	}
	return b.Write(r)
}

// report tells of each batch when its state changes; a batch may take a day.
func (b *batchRun) report() func(batch.Progress) {
	states := map[string]string{}
	return func(p batch.Progress) {
		_ = b.Flush() // a failure ends the run
		if b.progress != nil {
			b.progress.batch.Store(&batchProgress{p, b.passed.Load()})
		}
		for _, s := range p.Batches {
			if s.ID == "" || states[s.ID] == s.State {
				continue
			}
			states[s.ID] = s.State
			b.sys.Log.Infof("%s: %s, %d of %d done", s.ID, strings.ReplaceAll(s.State, "_", " "), s.Completed+s.Failed, s.Requests)
		}
	}
}
