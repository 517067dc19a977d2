package batch

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"gptpipe/pkg/llm"
)

// collect takes in the results of a batch that were fetched. It counts as
// collected when the caller has been told of them.
func (r *run) collect(p *part, o object) error {
	if err := r.take(p); err != nil {
		return err
	}
	if err := r.tell(p, false); err != nil {
		return err
	}
	info, err := os.Stat(r.resultsOf(p))
	if err != nil {
		return err
	}
	p.Collected, p.Results, p.Anew = true, info.Size(), &r.job.Anew
	for _, id := range []string{p.FileID, o.OutputFileID, o.ErrorFileID} {
		if id != "" {
			r.state.Leftovers = append(r.state.Leftovers, id)
		}
	}
	return r.save()
}

// writeLineErrors writes what a batch that failed says of single lines as if it
// were their answers.
func (r *run) writeLineErrors(p *part, o object, f *os.File) error {
	errs := o.lineErrors()
	if len(errs) == 0 {
		return nil
	}
	return r.eachRequest(p, func(n int, s sum, _ []byte) error {
		e, ok := errs[n]
		if !ok {
			return nil
		}
		failure := &llm.Error{Code: e.Code, Status: http.StatusBadRequest, Message: e.Message}
		_, err := f.Write(r.mask(AppendOutput(nil, Failed(hex.EncodeToString(s[:]), failure))))
		return err
	})
}

// followUp puts what a batch has not answered into further parts.
func (r *run) followUp(p *part) error {
	pl := r.newPlanner()
	defer pl.discard()
	var again []byte
	err := r.eachRequest(p, func(_ int, s sum, line []byte) error {
		at, err := r.find(s)
		switch {
		case err != nil:
			return err
		case at.part != p.N || !at.wanted || !at.lacks():
			return nil
		case !r.again(p, at):
			r.lost++
			return nil
		}
		in, err := r.input(p, line)
		if err != nil {
			return err
		}
		again = append(append(again[:0], line...), '\n')
		if err := pl.add(s, p.Model, in.Body, again, p.Try+1); err != nil || r.stopped == nil {
			return err
		}
		at.kind = held
		return r.index.put(s, at)
	})
	if err != nil {
		return err
	}
	return pl.finish()
}

// clean deletes files at the provider that nobody needs any more. What fails for
// a while is left for later; what the provider will not delete expires there.
func (r *run) clean(ctx context.Context) error {
	if len(r.state.Leftovers) == 0 || ctx.Err() != nil {
		return nil
	}
	done := 0
	for _, id := range r.state.Leftovers {
		err := r.remove(ctx, id)
		lasting := refusedForGood(err)
		switch {
		case err == nil:
		case lasting && r.undeleted: // as was said
		case errors.As(err, new(*llm.Error)):
			r.warn(fmt.Errorf("file %s was not deleted: %w", id, err))
			r.undeleted = r.undeleted || lasting
		default:
			return err
		}
		if err != nil && !lasting {
			break
		}
		done++
	}
	if done == 0 {
		return nil
	}
	r.state.Leftovers = r.state.Leftovers[done:]
	return r.save()
}

// eachRequest calls do with the number, from 1, the name and the line of each
// request of a part.
func (r *run) eachRequest(p *part, do func(n int, s sum, line []byte) error) error {
	f, err := os.Open(r.requestsOf(p))
	if err != nil {
		return err
	}
	defer f.Close()
	in := newLines(f)
	for n := 1; ; n++ {
		line, _, err := in.read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		s, ok := sumOfLine(line)
		if !ok {
			return r.damaged(p, r.requestsOf(p), fmt.Sprintf("line %d is not one of ours", n))
		}
		if err := do(n, s, line); err != nil {
			return err
		}
	}
}

// input reads a line of the requests of a part.
func (r *run) input(p *part, line []byte) (Input, error) {
	in, err := ParseInput(line)
	if err != nil {
		err = r.damaged(p, r.requestsOf(p), err.Error())
	}
	return in, err
}
