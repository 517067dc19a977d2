package batch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"gptpipe/pkg/llm"
)

// run is a Run at work.
type run struct {
	job   *Job
	lock  *os.File
	state state
	parts map[int]*part // by number
	index *index
	order *order

	head    *item // read from the order and not handed on yet
	results map[int]*os.File

	wanted   int // requests of this run that differ from each other
	answered int // of them
	lost     int // of them: failed for good

	stopped error // of Job.Reserve: nothing more is submitted
	losses  *LostError

	undeleted bool  // the provider has said that it does not delete a file
	tallies   int64 // that were made

	full  time.Time // when the provider's queue had no room, or zero
	room  bool      // it may have some again
	alone int       // how often it had none although no batch of ours was in it
	final *llm.Error
}

// Run does the job: it returns when every request has been handed to Emit, or
// with the reason to stop. Then what was submitted goes on at the provider, and
// another Run with the same folder takes it in.
//
// Errors of the provider are *llm.Error, with the batch they are about in the
// text; one that is Final concerns every request. A *llm.WaitError is a wait
// beyond Job.MaxWait. When ctx ends its cause is returned; calls under way are
// finished, as Client.Send has it. ErrInUse, ErrForeign and *fs.PathError are
// about the folder, a *LostError is about batches in it. Whatever Requests,
// Reserve, Took and Emit return is returned as it is.
func Run(ctx context.Context, job Job) error {
	job.test.fill()
	r, err := open(&job)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.recover(ctx); err != nil {
		return err
	}
	if err := r.plan(ctx); err != nil {
		return err
	}
	for _, p := range r.state.Parts {
		if p.needed && p.live.unknown != nil {
			r.lose(p, p.live.unknown)
		}
	}
	return r.drive(ctx)
}

func open(job *Job) (*run, error) {
	l, err := lock(job.Dir)
	if err != nil {
		return nil, err
	}
	r := &run{job: job, lock: l, parts: map[int]*part{}, results: map[int]*os.File{}}
	err = r.load()
	if err == nil {
		r.index, err = newIndex(job.Dir)
	}
	if err == nil {
		r.order, err = newOrder(job.Dir)
	}
	if err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *run) close() {
	if r.index != nil {
		r.index.close()
	}
	if r.order != nil {
		r.order.close()
	}
	r.closeResults()
	r.lock.Close()
}

// step lets a test stop the run.
func (r *run) step(name string) error { return r.job.test.step(name) }

func (r *run) warn(err error) {
	if r.job.Warn != nil {
		r.job.Warn(err)
	}
}

// recover takes over what earlier runs have left: batches that were created go
// on, of which this run may not know yet; parts that were not submitted are
// given up, since their requests may not be asked for any more.
func (r *run) recover(ctx context.Context) error {
	var kept, given []*part
	changed := false
	for _, p := range r.state.Parts {
		told := p.Collected && r.anewOf(p) != r.job.Anew // the caller has what is worth keeping of it
		there, err := r.requestsThere(p)
		if err != nil && !told {
			return err
		}
		if there && p.BatchID == "" && p.submitted() {
			err := r.withdraw(ctx, p)
			if errors.Is(err, ErrUnknown) {
				p.live.unknown, err = err, nil
			}
			if err != nil {
				return err
			}
			changed = true
		}
		if there && p.submitted() && !told {
			kept = append(kept, p)
			continue
		}
		if p.submitted() && !told {
			r.warn(fmt.Errorf("%s is not there: %s is forgotten", r.requestsOf(p), cmp.Or(p.BatchID, "what may have come of it")))
		}
		changed = true
		if p.FileID != "" && !p.Collected {
			r.state.Leftovers = append(r.state.Leftovers, p.FileID)
		}
		given = append(given, p)
	}
	r.state.Parts = kept
	if changed {
		if err := r.save(); err != nil {
			return err
		}
	}
	for _, p := range given { // one that is noted and lacks a file would be damaged
		if err := errors.Join(os.RemoveAll(r.requestsOf(p)), os.RemoveAll(r.resultsOf(p))); err != nil { // which bears that there is none
			return err
		}
	}
	if err := r.clean(ctx); err != nil {
		return err
	}
	for _, p := range kept {
		r.parts[p.N] = p
		if err := r.enter(p); err != nil {
			return err
		}
		if p.Collected {
			if err := r.take(p); err != nil {
				return err
			}
		}
	}
	r.final = nil // of an earlier run; its requests are asked again
	return nil
}

// requestsThere reports whether the file of the requests of a part, and that of
// its results if it is collected, are there and whole. One without requests is
// to be forgotten.
func (r *run) requestsThere(p *part) (bool, error) {
	info, err := os.Stat(r.requestsOf(p))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(r.resultsOf(p)); err == nil {
			return false, r.damaged(p, r.requestsOf(p), "it is not there, and its results are")
		}
		return false, nil
	case err != nil:
		return false, err
	case info.Size() != p.Bytes && p.submitted():
		return false, r.damaged(p, r.requestsOf(p), fmt.Sprintf("it has %d bytes of %d", info.Size(), p.Bytes))
	case !p.Collected:
		return true, nil
	}
	info, err = os.Stat(r.resultsOf(p))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, r.damaged(p, r.resultsOf(p), "it is not there")
	case err == nil && p.Results > 0 && info.Size() != p.Results:
		return false, r.damaged(p, r.resultsOf(p), fmt.Sprintf("it has %d bytes of %d", info.Size(), p.Results))
	}
	return true, err
}

// enter puts the requests of a part into the index.
func (r *run) enter(p *part) error {
	at := place{kind: pending, part: p.N}
	return r.eachRequest(p, func(_ int, s sum, _ []byte) error {
		before, err := r.index.get(s)
		if err != nil || before.kind == answered {
			return err
		}
		return r.index.put(s, at)
	})
}

// find says where a request stands.
func (r *run) find(s sum) (place, error) {
	at, err := r.index.get(s)
	if at.kind == pending && r.partOf(at).Collected {
		at.kind = missing
	}
	return at, err
}

// sleep waits, at most until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
