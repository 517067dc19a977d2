package batch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"gptpipe/pkg/llm"
)

// submit uploads a part and creates its batch. What is about to be done is on
// the disk before it is done.
func (r *run) submit(ctx context.Context, p *part) error {
	return r.patiently(ctx, func() error {
		if p.FileID == "" {
			id, err := r.upload(ctx, r.requestsOf(p), fmt.Sprintf("gptpipe-%s-%d.jsonl", r.state.ID, p.N))
			if err != nil {
				return err
			}
			p.FileID = id
			if err := r.save(); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.Attempt++
		p.Tried = time.Now()
		if err := r.save(); err != nil {
			return err
		}
		o, err := r.create(context.WithoutCancel(ctx), p.FileID, r.tag(p)) // it counts as tried
		var e *llm.Error
		switch {
		case err == nil:
			return r.adopt(p, o)
		case !errors.As(err, &e):
			return err // the next run has to find out
		case !refused(e):
			if err := r.withdraw(ctx, p); err != nil || p.BatchID != "" {
				return err
			}
			return e
		}
		p.Tried = time.Time{}
		if err := r.save(); err != nil {
			return err
		}
		if e.Type == llm.InvalidRequest && strings.Contains(e.Message, p.FileID) {
			// A file that has just come may not have come everywhere:
			// https://github.com/bespokelabsai/curator/issues/116
			e.Retry = true
		}
		return e
	})
}

// refused reports whether a creation has failed for sure, and has not only lost
// its answer.
func refused(e *llm.Error) bool {
	var op *net.OpError
	if errors.As(e, &op) && op.Op == "dial" {
		return true
	}
	return 300 <= e.Status && e.Status < 500 && e.Status != http.StatusRequestTimeout
}

// refusedForGood reports whether an error is the server's word on one call alone,
// which it would say again.
func refusedForGood(err error) bool {
	var e *llm.Error
	return errors.As(err, &e) && !e.Retry && !e.Final()
}

// adopt notes the batch of a part.
func (r *run) adopt(p *part, o object) error {
	p.BatchID = o.ID
	p.live = live{object: o, interval: r.job.test.pollFirst}
	r.schedule(p)
	return r.save()
}

// withdraw finds out whether a creation was successful that got no answer. If
// it was, the part has a batch. If not, it has no file any more, so that a
// creation which is still on its way has nothing to run, unless the provider
// deletes none. Its error is ErrUnknown where the provider does not answer.
func (r *run) withdraw(ctx context.Context, p *part) error {
	last := p.Tried.Add(r.job.test.settle)
	if most := time.Now().Add(r.job.test.settle); last.After(most) {
		last = most // the clock was set back
	}
	for wait := r.job.test.pollFirst; ; wait *= 2 {
		o, found, err := r.lookUp(ctx, r.tag(p), p.Tried)
		switch {
		case err != nil:
			return r.unclear(p, "GET /batches", err)
		case found:
			return r.adopt(p, o)
		}
		left := time.Until(last)
		if left <= 0 {
			break
		}
		if wait == r.job.test.pollFirst {
			r.warn(fmt.Errorf("it is not known whether a batch was created: waiting up to %v for it to show", left.Round(time.Second)))
		}
		if err := sleep(ctx, min(wait, left)); err != nil {
			return err
		}
	}
	switch err := r.remove(ctx, p.FileID); {
	case refusedForGood(err):
		r.state.Leftovers = append(r.state.Leftovers, p.FileID)
	case err != nil:
		return r.unclear(p, "DELETE /files/"+p.FileID, err)
	}
	p.FileID, p.Tried = "", time.Time{}
	return r.save()
}

// unclear is the error of a call of withdraw: ErrUnknown, unless it concerns all
// parts.
func (r *run) unclear(p *part, call string, err error) error {
	var e *llm.Error
	if !errors.As(err, &e) || e.Final() || errors.As(err, new(*llm.WaitError)) {
		return fmt.Errorf("%s: %w", call, err)
	}
	return fmt.Errorf("%s: %w of %s: %s: %v", r.requestsOf(p), ErrUnknown, p.FileID, call, err)
}

// maySubmit reports whether another batch can be created now.
func (r *run) maySubmit() bool {
	validating := 0
	for _, p := range r.state.Parts {
		if p.BatchID != "" && !p.ends() && p.live.object.Status == "validating" {
			validating++
		}
	}
	if r.full.IsZero() {
		return validating < maxValidating
	}
	return validating == 0 && (r.room || time.Since(r.full) >= r.job.test.fullWait)
}
