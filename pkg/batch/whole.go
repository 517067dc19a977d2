package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// ErrLacking says that a batch has ended and that results which it counts are
// not to be had. They are paid for, so their requests are not submitted again.
var ErrLacking = errors.New("results that it counts are not there")

// maxFetches is how often files are fetched that have fewer lines than the
// batch counts.
const maxFetches = 8

// promised is how many results of a part its batch counts, once it has ended.
// Those that failed are in a file for sure where the batch is completed.
func (o *object) promised(p *part) int {
	n := o.Counts.Completed
	switch {
	case o.uncounted():
		n = p.Lines
	case o.Status == "completed":
		n += o.Counts.Failed
	}
	return min(n, p.Lines)
}

// uncounted reports whether a batch has done all that it was given and the
// provider does not count.
func (o *object) uncounted() bool {
	return o.Status == "completed" && o.Counts.Completed+o.Counts.Failed == 0
}

// named reports whether each file is named that the counts promise.
func (o *object) named() bool {
	if o.uncounted() {
		return o.OutputFileID != "" || o.ErrorFileID != ""
	}
	return (o.Counts.Completed == 0 || o.OutputFileID != "") &&
		(o.Counts.Failed == 0 || o.ErrorFileID != "" || o.Status != "completed")
}

// fetch gets the results of a batch that has ended, and reports whether all are
// there. Files may be named, and filled, some time after the end.
func (r *run) fetch(ctx context.Context, p *part, o object) (whole bool, err error) {
	err = writeFile(r.resultsOf(p), func(f *os.File) error {
		for _, id := range []string{o.OutputFileID, o.ErrorFileID} {
			if id == "" {
				continue
			}
			if err := r.download(ctx, id, f); err != nil {
				return err
			}
		}
		return r.writeLineErrors(p, o, f)
	})
	if err != nil {
		return false, batchError(o.ID, err)
	}
	n, err := r.countResults(p)
	if err != nil || n >= o.promised(p) {
		return err == nil, err
	}
	return false, r.lacking(p, o, n)
}

// lacking is a batch that has ended, of whose results only n are there: for a
// while one waits for the others.
func (r *run) lacking(p *part, o object, n int) error {
	err := batchError(o.ID, fmt.Errorf("%w: only %d of %d", ErrLacking, n, o.promised(p)))
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
		return nil
	}
	// Those that are there are paid for, and may never be fetched again.
	if failed := r.take(p); failed != nil {
		return failed
	}
	if failed := r.tell(p, true); failed != nil {
		return failed
	}
	return err
}

// countResults counts the lines of the results that answer a request of ours.
func (r *run) countResults(p *part) (n int, err error) {
	f, err := os.Open(r.resultsOf(p))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	in := newLines(f)
	for {
		line, _, err := in.read()
		switch {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return 0, err
		}
		if out, err := ParseOutput(line); err == nil {
			if _, ours := parseSum(out.CustomID); ours {
				n++
			}
		}
	}
}
