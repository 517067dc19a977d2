// Package cache answers a request from the store if it has been answered
// before, and stores each new answer before it hands it on.
//
// The key is what is asked, not where it came from: SHA-256 over the canonical
// request body, the endpoint, organisation, project and --sample. So a job of a
// million records can be appended to, reordered or edited, and a rerun pays for
// the difference alone. The API key is not part of it: it may be rotated.
//
// Answers that were cut, filtered or refused are stored as what they are, so
// that a rerun reports the same error and pays nothing.
//
// Of identical requests in flight one is sent and the others wait for its
// answer: in this process by a table of what is under way, over all processes
// by the store's lease.
//
// A store that fails is told once and then left alone; requests go on. That it
// cannot take one value, too large or for want of space, is told once as well.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/llm"
)

// A Store keeps values under keys for a time. Shared makes one of the hub.
type Store interface {
	// Ask returns the value of key. On a miss release is not nil: the caller is
	// the one who asks the model, others who ask for the key wait until a Put
	// of it, or until release is called.
	Ask(ctx context.Context, key [32]byte) (value []byte, release func(), err error)
	Put(ctx context.Context, key [32]byte, value []byte, model string, ttl time.Duration) error
}

// Shared is the store that all processes of the user share.
func Shared(h *hub.Client) Store { return shared{h} }

type shared struct{ *hub.Client }

func (s shared) Ask(ctx context.Context, key [32]byte) (value []byte, release func(), err error) {
	value, lease, err := s.Client.Ask(ctx, key)
	if err != nil || lease == nil {
		return value, nil, err
	}
	return nil, lease.Release, nil
}

// putTimeout bounds a store of an answer that has been paid for, also when
// the run is ending.
const putTimeout = 5 * time.Second

// Options are what is stored, and for how long.
type Options struct {
	Scope   []string      // what beside the body tells requests apart
	TTL     time.Duration // of what is stored; 0: nothing is
	Refresh bool          // ask anew, and store

	Label  func(model string) string // of the model, for the lists of what is stored
	Hit    func(*llm.Request)        // is told of each answer from the store
	Broken func(err error)           // is told once that the store has failed
	Full   func(err error)           // is told once that an answer could not be kept
}

// New puts the store around next. With a nil store nothing is kept, and
// identical requests in flight are still one.
func New(next llm.Completer, store Store, o Options) llm.Completer {
	c := &cache{next: next, store: store, o: o, flights: map[[32]byte]*flight{}}
	c.broken.Store(store == nil)
	return c
}

type cache struct {
	next   llm.Completer
	store  Store
	o      Options
	broken atomic.Bool // there is no store, or it has failed
	full   atomic.Bool // Full has been told

	mu      sync.Mutex
	flights map[[32]byte]*flight
}

// A flight is a request under way, and its outcome once done is closed.
type flight struct {
	done chan struct{}
	resp *llm.Response
	err  error
}

func (c *cache) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	key := Key(c.o.Scope, req)
	c.mu.Lock()
	f, waiting := c.flights[key]
	if !waiting {
		f = &flight{done: make(chan struct{})}
		c.flights[key] = f
	}
	c.mu.Unlock()
	if waiting {
		return c.follow(ctx, req, f)
	}
	defer func() {
		c.mu.Lock()
		delete(c.flights, key)
		c.mu.Unlock()
		close(f.done)
	}()
	f.resp, f.err = c.lead(ctx, key, req)
	return f.resp, f.err
}

// follow waits for the answer to the same request.
func (c *cache) follow(ctx context.Context, req *llm.Request, f *flight) (*llm.Response, error) {
	select {
	case <-f.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if f.resp == nil {
		return nil, f.err
	}
	shared := *f.resp
	shared.Cached = true
	c.o.Hit(req)
	return &shared, f.err
}

func (c *cache) lead(ctx context.Context, key [32]byte, req *llm.Request) (*llm.Response, error) {
	resp, release := c.ask(ctx, key, req)
	if resp != nil {
		c.o.Hit(req)
		return resp, resp.Err()
	}
	defer release() // nothing, after a put
	resp, err := c.next.Complete(ctx, req)
	if resp != nil && (err == nil || resp.Err() != nil) {
		c.put(ctx, key, c.o.Label(req.Model), resp)
	}
	return resp, err
}

// ask returns the stored answer, or what to call when there is none after all.
func (c *cache) ask(ctx context.Context, key [32]byte, req *llm.Request) (resp *llm.Response, release func()) {
	none := func() {}
	if c.o.Refresh || c.broken.Load() {
		return nil, none
	}
	value, release, err := c.store.Ask(ctx, key)
	if err != nil {
		if ctx.Err() == nil {
			c.fail(err)
		}
		return nil, none
	}
	if release != nil {
		if c.o.TTL == 0 { // those who wait for what is not stored would ask one after the other
			release()
			return nil, none
		}
		return nil, release
	}
	resp, ok := llm.Stored(value)
	if !ok || !req.Takes(resp) { // what cannot be read is not there
		return nil, none
	}
	return resp, none
}

func (c *cache) put(ctx context.Context, key [32]byte, model string, resp *llm.Response) {
	if c.broken.Load() || c.o.TTL == 0 {
		return
	}
	value, err := resp.AsStored()
	if err != nil {
		c.fail(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putTimeout)
	defer cancel()
	err = c.store.Put(ctx, key, value, model, c.o.TTL)
	switch {
	case err == nil:
	case errors.Is(err, hub.ErrTooLarge), errors.Is(err, hub.ErrNoSpace):
		if c.full.CompareAndSwap(false, true) {
			c.o.Full(err)
		}
	default:
		c.fail(err)
	}
}

func (c *cache) fail(err error) {
	if c.broken.CompareAndSwap(false, true) {
		c.o.Broken(err)
	}
}

// Key is the name of a request in the cache, in a scope.
func Key(scope []string, req *llm.Request) (key [32]byte) {
	h := sha256.New()
	add := func(part []byte) { // with its length, so that parts cannot run together
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	add([]byte("gptpipe answer 1"))
	for _, s := range scope {
		add([]byte(s))
	}
	add(binary.AppendVarint(nil, int64(req.Sample)))
	add(req.Body)
	if req.Path != "" {
		add([]byte(req.Path))
	}
	h.Sum(key[:0])
	return key
}
