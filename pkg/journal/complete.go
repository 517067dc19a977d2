package journal

import (
	"context"
	"crypto/sha256"
	"fmt"

	"gptpipe/pkg/llm"
)

// A WriteError says that an answer could not be written down. It is no error of
// the exchange: the run ends, before more is paid for.
type WriteError struct{ Err error }

func (e *WriteError) Error() string { return fmt.Sprintf("the journal cannot be written: %v", e.Err) }
func (e *WriteError) Unwrap() error { return e.Err }

// New puts a journal around next: what it holds is not asked, and what next
// answers is in it before it is handed on. KeyOf is the name of a request.
//
// A failure that was asked for Again has a name of its own, so that it is told
// from the one because of which it was asked, and is an answer to the next
// request that is asked Again.
func New(next llm.Completer, j *Journal, keyOf func(*llm.Request) Key) llm.Completer {
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		key := keyOf(req)
		resp, err := j.find(key)
		if req.Again && err == nil && (resp == nil || !req.Takes(resp)) {
			resp, err = j.find(again(key))
		}
		switch {
		case err != nil:
			return nil, fmt.Errorf("the journal cannot be read: %w", err)
		case resp != nil:
			return resp, resp.Err()
		}
		resp, err = next.Complete(ctx, req)
		if resp == nil || err != nil && resp.Err() == nil {
			return resp, err
		}
		if req.Again && err != nil {
			key = again(key)
		}
		value, encodeErr := resp.AsStored()
		if encodeErr != nil {
			return nil, &WriteError{encodeErr}
		}
		if err := j.Put(key, value); err != nil {
			return nil, &WriteError{err}
		}
		return resp, err
	})
}

// find returns the response under key, or nil.
func (j *Journal) find(key Key) (*llm.Response, error) {
	stored, _, err := j.Get(key)
	resp, _ := llm.Stored(stored)
	return resp, err
}

// again is the name of a failure that was asked for again.
func again(key Key) Key { return sha256.Sum256(append([]byte("again "), key[:]...)) }
