package batch

import (
	"errors"

	"gptpipe/pkg/llm"
)

// take puts the results of a part into the index. Lines that are none, or
// answer what was not asked, are passed over: their requests are missing.
func (r *run) take(p *part) error {
	return r.eachResult(p, func(offset int64, line []byte, out Output, s sum) error {
		at, err := r.index.get(s)
		if err != nil {
			return err
		}
		if at.part != p.N || at.kind == unknown || at.kind == answered {
			return nil
		}
		resp, e, err := r.read(out)
		if err != nil {
			return err
		}
		at.offset, at.length, at.kind = offset, len(line), answered
		if e != nil && (p.mends(e) || e.Final() || resp == nil && p.Collected) { // the last: it failed in an earlier run
			at.kind = failed
		}
		if e != nil && e.Final() {
			r.final = e
		}
		if at.kind == answered && at.wanted {
			r.answered++
		}
		return r.index.put(s, at)
	})
}

// mends reports whether a request of a part that has failed may have an answer
// when it is asked again.
func (p *part) mends(e *llm.Error) bool { return e.Retry && (p.Try == 0 || !e.OnceMore) }

// read says what a line of the results comes to. Its last value is a fault of
// this machine.
func (r *run) read(out Output) (*llm.Response, *llm.Error, error) {
	body := out.Body
	if out.Status == 0 {
		body = out.Error
	}
	resp, err := r.job.Read(out.Status, body)
	if resp != nil && out.RequestID != "" {
		resp.RequestID = out.RequestID
	}
	if err == nil {
		return resp, nil, nil
	}
	var e *llm.Error
	if !errors.As(err, &e) {
		return nil, nil, err
	}
	if out.Status == 0 && e.Code == "batch_expired" {
		e.Type, e.Retry = llm.Timeout, true
	}
	return resp, e, nil
}

// tell tells the caller what came of the requests of a part, or only of those
// that have something of their own in the results.
func (r *run) tell(p *part, only bool) error {
	if r.job.Took == nil {
		return nil
	}
	return r.eachRequest(p, func(_ int, s sum, line []byte) error {
		at, err := r.index.get(s)
		if err != nil || at.part != p.N {
			return err
		}
		switch {
		case at.told || only && at.kind == pending:
			return nil
		case at.kind == pending:
			at.kind = missing
		}
		in, err := r.input(p, line)
		if err != nil {
			return err
		}
		o := Outcome{Request: Request{Model: p.Model, Body: in.Body}, Anew: r.anewOf(p), Reserved: p.made, Again: r.again(p, at)}
		if o.Response, o.Err, err = r.outcome(at); err != nil {
			return err
		}
		return r.job.Took(o)
	})
}

// again reports whether a request of a part that has ended is to be in another.
func (r *run) again(p *part, at place) bool { return at.wanted && at.lacks() && p.Try < r.job.Resubmit }
