// Package gather sends many requests for embeddings as one.
//
// It stands inside the cache, so that each text is stored and found by itself,
// and outside the retries, so that what is sent is sent again as one. A request
// goes out as soon as a sender is free, with what has come by then: while all
// are busy, more comes together.
//
// When the server refuses a request of several texts as invalid, it is divided,
// until the text that is at fault stands alone.
package gather

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
)

// The bounds of one request. The API takes 2048 texts and 300,000 tokens; the
// bytes are so few that there are never more tokens.
const (
	MaxInputs = 256
	maxBytes  = 256 << 10
)

// together is how long the first of several is waited with for others, which
// are being read.
const together = 2 * time.Millisecond

// New puts a gatherer around next, which has at most so many requests to it at
// once. All requests must differ in their field "input" alone, a string; the
// answer to several must have as many lines.
func New(next llm.Completer, senders int) llm.Completer {
	g := &gatherer{next: next, senders: make(chan struct{}, senders)}
	return g
}

type gatherer struct {
	next    llm.Completer
	senders chan struct{} // holds one for each request under way

	mu      sync.Mutex
	waiting []*asked
}

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
		go g.send()
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
		go g.send()
	}
	return group
}

func (g *gatherer) ask(group []*asked) {
	resp, err := g.next.Complete(group[0].ctx, merged(group))
	var e *llm.Error
	if errors.As(err, &e) && e.Type == llm.InvalidRequest && len(group) > 1 {
		half := len(group) / 2
		g.ask(group[:half])
		g.ask(group[half:])
		return
	}
	var lines []string
	if err == nil {
		if lines = strings.Split(resp.Text, "\n"); len(lines) != len(group) {
			err = &llm.Error{Type: llm.BadResponse, Status: 200, Message: "the answer does not have as many embeddings as there were texts"}
		}
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

// merged is one request for several. That of one is left as it is.
func merged(group []*asked) *llm.Request {
	one := *group[0].req
	if len(group) == 1 {
		return &one
	}
	inputs := make([][]byte, len(group))
	for i, a := range group {
		inputs[i] = a.input
	}
	body, err := record.Parse(bytes.Clone(one.Body))
	if err != nil {
		return &one // it has been parsed before
	}
	list := append([]byte{'['}, bytes.Join(inputs, []byte(","))...)
	body.Set("input", append(list, ']'))
	one.Body = body.Bytes()
	return &one
}
