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
// Before next is asked, there is room on the disk for what it may answer: while
// there is none it waits for the requests under way, and its error is a
// *FullError when there are none.
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
		if err := j.room.take(ctx); err != nil {
			return nil, err
		}
		defer j.room.give()
		resp, err = next.Complete(ctx, req)
		if resp == nil || err != nil && resp.Err() == nil {
			return resp, err
		}
		if req.Again && err != nil {
			key = again(key)
		}
		value, writeErr := resp.AsStored()
		if writeErr == nil {
			writeErr = j.Put(key, value)
		}
		if writeErr != nil {
			if !resp.Cached {
				j.lost.Add(1)
			}
			return nil, &WriteError{writeErr}
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
