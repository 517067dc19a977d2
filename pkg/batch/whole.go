package batch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// ErrLacking says that a batch has ended and that results which it counts are
// not to be had. They are paid for, so their requests are not submitted again.
var ErrLacking = errors.New("results that it counts are not there")

// maxFetches is how often files are fetched that have fewer lines than the
// batch counts.
const maxFetches = 8

// lacks is what the results of a batch that has ended lack of what it counts,
// or nil. A provider may count answers that are failures as completed: so are
// taken those that it does not count as failed. Expired requests are no answers,
// however many there are.
func (o *object) lacks(p *part, t tally) error {
	completed := min(o.Counts.Completed, p.Lines)
	answers := t.answers + t.elsewhere + max(t.refused-o.Counts.Failed, 0)
	promised := completed
	switch {
	case o.unanswered():
		promised = p.Lines
	case o.Status == "completed": // else those that failed need not be in a file
		promised = min(completed+o.Counts.Failed, p.Lines)
	}
	switch {
	case t.responses() >= p.Lines:
		return nil
	case completed > 0 && o.OutputFileID == "":
		return fmt.Errorf("%w: no file is named", ErrLacking)
	case o.Status == "completed" && t.all() >= p.Lines: // whatever is counted
		return nil
	case answers < completed:
		return fmt.Errorf("%w: only %d of %d answers", ErrLacking, answers, completed)
	case t.all() < promised:
		return fmt.Errorf("%w: only %d of %d", ErrLacking, t.all(), promised)
	}
	return nil
}

// unanswered reports whether a batch has done all that it was given and by its
// counts nothing came of it: they may be late, or not be made.
func (o *object) unanswered() bool {
	return o.Status == "completed" && o.Counts.Completed+o.Counts.Failed == 0
}

// named reports whether each file is named that the counts promise.
func (o *object) named() bool {
	if o.unanswered() {
		return o.OutputFileID != "" || o.ErrorFileID != ""
	}
	return (o.Counts.Completed == 0 || o.OutputFileID != "") &&
		(o.Counts.Failed == 0 || o.ErrorFileID != "" || o.Status != "completed")
}

// fetch gets the results of a batch that has ended, and reports whether all are
// there. Files may be named, and filled, some time after the end.
func (r *run) fetch(ctx context.Context, p *part, o object) (whole bool, err error) {
	if err := r.markTold(p); err != nil {
		return false, err
	}
	var lacks, unreached error
	err = writeFile(r.resultsOf(p), func(f *os.File) error {
		for _, id := range []string{o.OutputFileID, o.ErrorFileID} {
			if id == "" {
				continue
			}
			err := r.download(ctx, id, f)
			if gone(err) {
				lacks, err = fmt.Errorf("%s: %w", id, ErrGone), nil
			}
			if err != nil {
				unreached = err
				return err
			}
		}
		return r.writeLineErrors(p, o, f)
	})
	switch {
	case unreached != nil:
		return false, r.unreachable(p, unreached)
	case err != nil:
		return false, batchError(o.ID, err)
	}
	p.live.outage = time.Time{}
	t, err := r.tally(p)
	if err != nil {
		return false, err
	}
	if lacks == nil || t.responses() >= p.Lines {
		lacks = o.lacks(p, t)
	}
	if lacks == nil {
		return true, nil
	}
	return r.lacking(p, o, lacks)
}

// lacking is a batch that has ended, of whose results not all are there: for a
// while one waits for the others. What is there then is all only by the word of
// the provider, that it has counted and nothing came of the requests.
func (r *run) lacking(p *part, o object, err error) (whole bool, _ error) {
	err = batchError(o.ID, err)
	now := time.Now()
	if p.live.lacking.IsZero() {
		p.live.lacking, p.live.interval = now, 0
		r.warn(fmt.Errorf("%w; waiting for the rest", err))
	}
	if o.named() {
		p.live.fetches++
	}
	if p.live.fetches < maxFetches && now.Sub(p.live.lacking) < r.job.test.lateWait {
		r.schedule(p)
		return false, nil
	}
	if o.unanswered() && o.Counts.Total > 0 {
		return true, nil
	}
	// Those that are there are paid for, and may never be fetched again.
	if err := r.take(p); err != nil {
		return false, err
	}
	r.final = nil // an error of one of these must not keep the other batches waiting
	if err := r.tell(p, true); err != nil {
		return false, err
	}
	r.lose(p, err)
	p.Told = true
	return false, r.save()
}

// markTold notes of which requests of a part an earlier run has told that they
// are answered, before the results that it had are fetched anew.
func (r *run) markTold(p *part) error {
	if !p.Told || p.live.marked {
		return nil
	}
	p.live.marked = true
	err := r.eachResult(p, func(_ int64, _ []byte, out Output, s sum) error {
		at, err := r.index.get(s)
		if err != nil || at.part != p.N {
			return err
		}
		resp, e, err := r.read(out)
		if err != nil || resp == nil || e != nil && p.mends(e) {
			return err
		}
		at.told = true
		return r.index.put(s, at)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
