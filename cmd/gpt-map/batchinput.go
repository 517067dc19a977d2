package main

import (
	"context"
	"errors"
	"io"
	"iter"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/client"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/panics"
)

// requests are the questions of the records that have no answer yet, and with
// each record what its result is made of.
func (b *batchRun) requests() iter.Seq2[batch.Request, error] {
	return func(yield func(batch.Request, error) bool) {
		for it, err := range b.items() {
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

// items are those of the source. Its reader is left behind if it blocks when the
// run ends.
func (b *batchRun) items() iter.Seq2[item, error] {
	type next struct {
		item item
		err  error
	}
	items := make(chan next)
	ended := b.drain.Soft.Done()
	panics.Go(func() {
		defer close(items)
		for {
			it, err := b.source.next()
			if errors.Is(err, io.EOF) {
				return
			}
			select {
			case items <- next{it, err}:
			case <-ended:
				return
			}
			if err != nil {
				return
			}
		}
	})
	return func(yield func(item, error) bool) {
		for {
			select {
			case n, ok := <-items:
				switch {
				case !ok && b.drain.Soft.Err() != nil:
					yield(item{}, context.Cause(b.drain.Soft)) // it may not have read all
					return
				case !ok || !yield(n.item, n.err):
					return
				}
			case <-ended:
				yield(item{}, context.Cause(b.drain.Soft))
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
