package journal

import (
	"context"
	"encoding/json"
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
func New(next llm.Completer, j *Journal, keyOf func(*llm.Request) Key) llm.Completer {
	return llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		key := keyOf(req)
		stored, _, err := j.Get(key)
		if err != nil {
			return nil, fmt.Errorf("the journal cannot be read: %w", err)
		}
		if resp, ok := llm.Stored(stored); ok && req.Takes(resp) {
			return resp, resp.Err()
		}
		resp, err := next.Complete(ctx, req)
		if resp == nil || err != nil && resp.Err() == nil {
			return resp, err
		}
		value, encodeErr := json.Marshal(resp)
		if encodeErr != nil {
			return nil, &WriteError{encodeErr}
		}
		if err := j.Put(key, value); err != nil {
			return nil, &WriteError{err}
		}
		return resp, err
	})
}
