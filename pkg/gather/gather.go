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
//
// Some servers fail over a text with status 500. A request of several that has
// failed so after all its attempts is divided too, but only while the server
// answers others: something has been answered since the request went out, or
// the text that nobody can object to is answered now. In an outage nothing is
// divided, and a failed request costs one more at most. The parts have one
// attempt each as long as the server answers, for most of them fail for good;
// a text that stands alone has all attempts again.
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

	common   atomic.Pointer[llm.Error] // why no text is taken; nil: it is not known whether any is
	answered atomic.Int64              // requests so far
	probe    sync.Mutex                // for one at a time, and for what follows
	probes   atomic.Int64              // to see whether the server answers, so far
	answers  bool                      // what the last of them found
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
		g.ask(group, false)
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

// ask answers a group. A part is what is left of one over which the server failed.
func (g *gatherer) ask(group []*asked, part bool) {
	once := part && len(group) > 1
	before := g.answered.Load()
	lines, resp, err := g.lines(group, once)
	if g.again && errors.Is(err, errCount) { // but once: it is paid for
		lines, resp, err = g.lines(group, once)
	}
	e := llm.Failed(err)
	failed := e != nil && e.OverRequest()
	switch {
	case e == nil || len(group) == 1 || e.Final():
	case failed && g.isUp(group[0], before), e.Type == llm.InvalidRequest && !g.concernsAll(group[0], e):
		half := len(group) / 2
		panics.Go(func() { g.alone(group[half:], failed) })
		g.ask(group[:half], failed)
		return
	case failed && once: // an outage has begun, which attempts may outlast
		g.ask(group, false)
		return
	}
	if err == nil {
		g.common.Store(none)
		g.answered.Add(1)
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

// alone answers a part once a sender is free: in a group in which many are at
// fault, each with all its attempts, they are not to wait for one another.
func (g *gatherer) alone(group []*asked, failed bool) {
	g.senders <- struct{}{}
	defer func() { <-g.senders }()
	g.ask(group, failed)
}

var errCount = &llm.Error{Type: llm.BadResponse, Status: 200, Message: "the answer does not have as many embeddings as there were texts"}

// lines asks for all texts of a group at once, and has a line for each.
func (g *gatherer) lines(group []*asked, once bool) ([]string, *llm.Response, error) {
	req := merged(group)
	req.Divides = once
	resp, err := g.next.Complete(group[0].ctx, req)
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

// isUp reports whether the server answers others, while it fails over a request
// that went out when so many had been answered.
func (g *gatherer) isUp(a *asked, before int64) bool {
	probes := g.probes.Load()
	g.probe.Lock()
	defer g.probe.Unlock()
	if g.answered.Load() != before {
		return true
	}
	if g.probes.Load() == probes { // else another has asked meanwhile
		probe := with(a.req, []byte(harmless))
		probe.Divides = true // one attempt
		_, err := g.next.Complete(a.ctx, probe)
		g.answers = err == nil
		g.probes.Add(1)
	}
	return g.answers
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
