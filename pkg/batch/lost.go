package batch

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"gptpipe/pkg/llm"
)

// ErrGone says that the provider knows a batch, or a file of it, no more, or that
// it is another's.
var ErrGone = errors.New("the provider does not have it, for this account")

// ErrDamaged says that a file of the folder is not what was written there. Without
// a LostError around it, that is state.json, which tells of all batches.
var ErrDamaged = errors.New("it is damaged")

// ErrUnknown says that the answer to the creation of a batch was lost, and that
// the provider does not list its batches, at present or at all.
var ErrUnknown = errors.New("it is not known whether a batch was created")

// A LostError tells of batches whose results are not to be had, now or ever:
// with ErrGone, ErrLacking, ErrDamaged or ErrUnknown inside.
type LostError struct {
	// Files are, for each, the path of its files in the folder, as a pattern of
	// the shell. When these are removed, a Run forgets the batch, and submits its
	// requests anew.
	Files []string

	errs []error
}

func (e *LostError) Error() string {
	var all []string
	for _, err := range e.errs {
		all = append(all, err.Error())
	}
	return strings.Join(all, "; ")
}

func (e *LostError) Unwrap() []error { return e.errs }

// lose gives a part up for this run, which ends with err when all others are
// taken in.
func (r *run) lose(p *part, err error) {
	p.live.lost = true
	if r.losses == nil {
		r.losses = new(LostError)
	}
	r.losses.Files = append(r.losses.Files, r.filesOf(p))
	r.losses.errs = append(r.losses.errs, err)
	if len(r.waiting()) > 0 { // it may be long until the run ends
		r.warn(err)
	}
}

// damaged is an error about the files of a part, without which nobody can say
// what has been submitted.
func (r *run) damaged(p *part, path, how string) error {
	return &LostError{Files: []string{r.filesOf(p)}, errs: []error{fmt.Errorf("%s: %w: %s", path, ErrDamaged, how)}}
}

// gone reports whether an error says that the provider does not have something,
// or not for this account.
func gone(err error) bool {
	var e *llm.Error
	return errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusGone) && !e.Final()
}
