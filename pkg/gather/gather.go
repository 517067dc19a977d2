// Package gather sends many requests for embeddings as one.
//
// It stands inside the cache, so that each text is stored and found by itself,
// and outside the retries, so that what is sent is sent again as one. A request
// goes out as soon as a sender is free, with what has come by then: while all
// are busy, more comes together.
//
// When the server refuses a request of several texts as invalid, it is divided,
// until the text that is at fault stands alone. But where it has not taken any
// yet, a text that nobody can object to is asked for first, once: when that is
// refused with the same words, no text is at fault, but what all requests have
// in common, such as the model, and dividing would only ask for each text to
// hear so again.
package gather

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/panics"
	"gptpipe/pkg/record"
)

// The bounds of one request. The API takes 2048 texts and 300,000 tokens; the
// bytes are so few that there are never more tokens.
const (
	MaxInputs = 256
	maxBytes  = 256 << 10
)

// harmless is a text that no server has a reason to refuse, as JSON. It costs a
// token.
const harmless = `"a"`

// together is how long the first of several is waited with for others, which
// are being read.
const together = 2 * time.Millisecond

// New puts a gatherer around next, which has at most so many requests to it at
// once. All requests must differ in their field "input" alone, a string; the
// answer to several must have as many lines, and where it has not, it is asked
// for again, if that may be.
func New(next llm.Completer, senders int, again bool) llm.Completer {
	return &gatherer{next: next, again: again, senders: make(chan struct{}, senders)}
}

type gatherer struct {
	next    llm.Completer
	again   bool
	senders chan struct{} // holds one for each request under way

	mu      sync.Mutex
	waiting []*asked

	common atomic.Pointer[llm.Error] // why no text is taken; nil: it is not known whether any is
	probe  sync.Mutex                // for one at a time
}

// none says that some texts are taken.
var none = new(llm.Error)

// An asked is a request that waits for its answer.
type asked struct {
	ctx   context.Context
	req   *llm.Request
	input []byte // as JSON
	done  chan struct{}
	resp  *llm.Response
	err   error
}

func (g *gatherer) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	body, err := record.Parse(req.Body)
	if err != nil {
		return nil, err
	}
	input, _ := body.Get("input")
	a := &asked{ctx: ctx, req: req, input: input, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, a)
	first := len(g.waiting) == 1
	g.mu.Unlock()
	if first {
		panics.Go(g.send)
	}
	<-a.done // next ends with ctx
	return a.resp, a.err
}

// send sends what waits, once a sender is free.
func (g *gatherer) send() {
	g.senders <- struct{}{}
	defer func() { <-g.senders }()
	time.Sleep(together)
	for {
		group := g.take()
		if len(group) == 0 {
			return
		}
		g.ask(group)
	}
}

// take takes as many as one request may have. If some are left, another sender
// is started for them.
func (g *gatherer) take() []*asked {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, size := 0, 0
	for n < len(g.waiting) && n < MaxInputs {
		if size += len(g.waiting[n].input); n > 0 && size > maxBytes {
			break
		}
		n++
	}
	group := g.waiting[:n:n]
	g.waiting = append([]*asked(nil), g.waiting[n:]...)
	if len(g.waiting) > 0 {
		panics.Go(g.send)
	}
	return group
}

func (g *gatherer) ask(group []*asked) {
	lines, resp, err := g.lines(group)
	if g.again && errors.Is(err, errCount) { // but once: it is paid for
		lines, resp, err = g.lines(group)
	}
	if e := llm.Failed(err); e != nil && e.Type == llm.InvalidRequest && len(group) > 1 && !g.concernsAll(group[0], e) {
		half := len(group) / 2
		g.ask(group[:half])
		g.ask(group[half:])
		return
	}
	if err == nil {
		g.common.Store(none)
	}
	for i, a := range group {
		if a.err = err; err == nil {
			own := *resp
			own.Text = lines[i]
			if len(group) > 1 {
				own.Usage = nil // which is of all together
			}
			a.resp = &own
		}
		close(a.done)
	}
}

var errCount = &llm.Error{Type: llm.BadResponse, Status: 200, Message: "the answer does not have as many embeddings as there were texts"}

// lines asks for all texts of a group at once, and has a line for each.
func (g *gatherer) lines(group []*asked) ([]string, *llm.Response, error) {
	resp, err := g.next.Complete(group[0].ctx, merged(group))
	if err != nil {
		return nil, nil, err
	}
	lines := strings.Split(resp.Text, "\n")
	if len(lines) != len(group) {
		return nil, nil, errCount
	}
	return lines, resp, nil
}

// concernsAll reports whether a request was refused for what all have in common,
// and no text of it is at fault.
func (g *gatherer) concernsAll(a *asked, refused *llm.Error) bool {
	g.probe.Lock()
	defer g.probe.Unlock()
	if g.common.Load() == nil {
		_, err := g.next.Complete(a.ctx, with(a.req, []byte(harmless)))
		e := llm.Failed(err)
		switch {
		case err == nil:
			g.common.Store(none)
		case e != nil && e.Type == llm.InvalidRequest:
			g.common.Store(e)
		default:
			return false // nothing is proven
		}
	}
	common := g.common.Load()
	return common != none && common.Status == refused.Status && common.Code == refused.Code && common.Message == refused.Message
}

// merged is one request for several. That of one is left as it is.
func merged(group []*asked) *llm.Request {
	if len(group) == 1 {
		one := *group[0].req
		return &one
	}
	inputs := make([][]byte, len(group))
	for i, a := range group {
		inputs[i] = a.input
	}
	list := append([]byte{'['}, bytes.Join(inputs, []byte(","))...)
	return with(group[0].req, append(list, ']'))
}

// with is a request with another input.
func with(req *llm.Request, input []byte) *llm.Request {
	other := *req
	body, err := record.Parse(bytes.Clone(req.Body))
	if err != nil {
		return &other // it has been parsed before
	}
	body.Set("input", input)
	other.Body = body.Bytes()
	return &other
}
