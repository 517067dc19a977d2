package batch

import (
	"errors"
	"fmt"
	"io"
	"os"

	"gptpipe/pkg/llm"
)

// maxOpen is how many files of results are kept open.
const maxOpen = 128

// emit hands results on, in order, up to the first that is not here.
func (r *run) emit() error {
	for {
		if r.head == nil {
			it, err := r.order.read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			r.head = &it
		}
		result, ready, err := r.result(r.head)
		if err != nil || !ready {
			return err
		}
		if err := r.job.Emit(result); err != nil {
			return err
		}
		r.head = nil
	}
}

// result is what became of an item, if that is known.
func (r *run) result(it *item) (result Result, ready bool, err error) {
	result.Data = it.data
	if it.what == notAsked {
		return result, true, nil
	}
	result.Asked = true
	if it.what == tooLarge {
		result.Err = &llm.Error{Type: llm.InvalidRequest, Message: fmt.Sprintf("the request is larger than the %d MB that a batch may have", r.job.test.maxBytes/1e6)}
		return result, true, nil
	}
	at, err := r.find(it.sum)
	if err != nil {
		return result, false, err
	}
	if at.kind == pending || at.kind == held || at.kind == failed && !r.partOf(at).Collected {
		return result, false, nil
	}
	result.Response, result.Err, err = r.outcome(at)
	return result, true, err
}

// outcome is what its batch made of a request.
func (r *run) outcome(at place) (resp *llm.Response, e *llm.Error, err error) {
	if at.kind == missing {
		e = &llm.Error{Type: llm.BadResponse, Message: "its batch ended without an answer to it"}
	} else {
		out, err := r.output(at)
		if err != nil {
			return nil, nil, err
		}
		if resp, e, err = r.read(out); err != nil {
			return nil, nil, err
		}
	}
	attempts := r.partOf(at).Try + 1
	if resp != nil {
		resp.Attempts = attempts
	}
	if e != nil {
		e.Attempts = attempts
	}
	return resp, e, nil
}

func (r *run) partOf(at place) *part { return r.parts[at.part] }

// output reads a line of the results.
func (r *run) output(at place) (Output, error) {
	f, err := r.openResults(r.partOf(at))
	if err != nil {
		return Output{}, err
	}
	// A Response may keep parts of the line.
	line := make([]byte, at.length)
	if _, err := f.ReadAt(line, at.offset); err != nil {
		return Output{}, fmt.Errorf("%s: %w", f.Name(), broken(err))
	}
	return ParseOutput(line)
}

func (r *run) openResults(p *part) (*os.File, error) {
	if f := r.results[p.N]; f != nil {
		return f, nil
	}
	if len(r.results) >= maxOpen {
		r.closeResults()
	}
	f, err := os.Open(r.resultsOf(p))
	if err == nil {
		r.results[p.N] = f
	}
	return f, err
}

func (r *run) closeResults() {
	for n, f := range r.results {
		f.Close()
		delete(r.results, n)
	}
}
