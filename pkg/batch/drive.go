package batch

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"gptpipe/pkg/llm"
)

// ErrCancelled says that somebody cancelled a batch. What it left is submitted
// by the next Run.
var ErrCancelled = errors.New("it was cancelled")

// maxAlone is how often a batch may find the queue full although no other of
// ours is in it.
const maxAlone = 12

// drive submits what is to be submitted, waits for it and takes it in, until
// nothing is left.
func (r *run) drive(ctx context.Context) error {
	for {
		if err := r.emit(); err != nil {
			return err
		}
		waiting := r.waiting()
		switch {
		case len(waiting) == 0 && r.losses != nil:
			return r.losses // of r.stopped the caller knows
		case len(waiting) == 0:
			return r.stopped
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if err := r.rest(ctx, waiting); err != nil {
			return err
		}
		for _, p := range waiting {
			if ctx.Err() != nil {
				break
			}
			switch {
			case p.BatchID == "":
				if !r.maySubmit() {
					continue
				}
				r.room = false
				err := r.submit(ctx, p)
				if errors.Is(err, ErrUnknown) {
					r.lose(p, err)
					err = nil
				}
				if err != nil {
					return err
				}
			case time.Now().Before(p.live.due):
				continue
			default:
				if err := r.poll(ctx, p); err != nil {
					return err
				}
			}
			r.report()
		}
	}
}

// waiting are the parts whose results this run needs and does not have.
func (r *run) waiting() []*part {
	var parts []*part
	for _, p := range r.state.Parts {
		if p.needed && !p.ends() {
			parts = append(parts, p)
		}
	}
	return parts
}

// rest sleeps until there is something to do for one of the parts.
func (r *run) rest(ctx context.Context, waiting []*part) error {
	now := time.Now()
	next := now.Add(r.job.test.pollMost)
	for _, p := range waiting {
		at := p.live.due
		if p.BatchID == "" {
			if r.maySubmit() {
				return nil
			}
			at = r.full.Add(r.job.test.fullWait)
			if at.Before(now) {
				continue // it waits for those that are being checked
			}
		}
		if at.Before(next) {
			next = at
		}
	}
	return sleep(ctx, time.Until(next))
}

// schedule sets the time of the next poll: the intervals grow, and are spread
// so that many batches do not come at one moment.
func (r *run) schedule(p *part) {
	d := max(p.live.interval, r.job.test.pollFirst)
	p.live.due = time.Now().Add(d*3/4 + rand.N(d/2+1))
	p.live.interval = min(d*3/2, r.job.test.pollMost)
}

// poll asks how far a batch is, and takes its results in if it has ended.
func (r *run) poll(ctx context.Context, p *part) error {
	o, err := r.get(ctx, p.BatchID)
	if err != nil {
		return r.unreachable(p, err)
	}
	if p.live.object.Status == "validating" && o.Status == "in_progress" {
		r.room = true // where one has found room another may
	}
	p.live.object = o
	switch {
	case !o.ended():
		p.live.outage = time.Time{}
		r.schedule(p)
		return nil
	case o.Status == "failed" && o.OutputFileID == "" && o.ErrorFileID == "" && len(o.lineErrors()) == 0:
		return r.rejected(p, o)
	}
	if whole, err := r.fetch(ctx, p, o); err != nil || !whole {
		return err
	}
	if err := r.collect(p, o); err != nil {
		return err
	}
	r.room, r.alone = true, 0
	switch {
	case r.final != nil:
		return batchError(o.ID, r.final)
	case o.Status == "cancelled":
		return batchError(o.ID, ErrCancelled)
	}
	if err := r.followUp(p); err != nil {
		return err
	}
	return r.clean(ctx)
}

// unreachable is a poll that failed, or results that could not be fetched: for a
// while, since a batch takes hours, one waits for better times.
func (r *run) unreachable(p *part, err error) error {
	var e *llm.Error
	switch {
	case errors.As(err, new(*llm.WaitError)) || !errors.As(err, &e):
		return batchError(p.BatchID, err)
	case gone(err):
		r.lose(p, batchError(p.BatchID, ErrGone))
		return nil
	case !e.Retry:
		return batchError(p.BatchID, err)
	}
	now := time.Now()
	if p.live.outage.IsZero() {
		p.live.outage = now
		r.warn(batchError(p.BatchID, err))
	}
	if now.Sub(p.live.outage) > r.job.test.maxOutage {
		return batchError(p.BatchID, err)
	}
	r.schedule(p)
	return nil
}

// rejected is a batch that failed as a whole, before anything was run.
func (r *run) rejected(p *part, o object) error {
	e := o.failure()
	p.BatchID, p.Tried = "", time.Time{}
	if err := r.save(); err != nil {
		return err
	}
	if !e.Retry {
		return batchError(o.ID, e)
	}
	if !r.anyRunning() {
		if r.alone++; r.alone > maxAlone {
			return batchError(o.ID, e)
		}
	}
	if r.full.IsZero() {
		r.warn(batchError(o.ID, e))
	}
	r.full, r.room = time.Now(), false
	return nil
}

func (r *run) anyRunning() bool {
	for _, p := range r.state.Parts {
		if p.needed && p.BatchID != "" && !p.ends() {
			return true
		}
	}
	return false
}

// report tells how far the run is.
func (r *run) report() {
	if r.job.Report == nil {
		return
	}
	t := Progress{Requests: r.wanted, Completed: r.answered, Failed: r.lost}
	for _, p := range r.state.Parts {
		if !p.needed {
			continue
		}
		o := &p.live.object
		s := Status{ID: p.BatchID, State: o.Status, Requests: p.Lines, Completed: o.Counts.Completed, Failed: o.Counts.Failed}
		switch {
		case p.Collected:
			s.State = "collected"
		case p.live.lost:
			s.State = "lost"
		case p.BatchID == "":
			s = Status{State: "waiting", Requests: p.Lines}
		default:
			t.Completed += s.Completed
			t.Failed += s.Failed
		}
		t.Batches = append(t.Batches, s)
	}
	r.job.Report(t)
}
