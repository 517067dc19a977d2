package client

import (
	"context"
	"errors"

	"gptpipe/pkg/cache"
	"gptpipe/pkg/journal"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/observe"
)

// Kept is what the journal and the cache hold, for answers that come another
// way than by Complete: through a batch. Find is safe for concurrent use, Keep is
// not.
type Kept struct {
	find, keep llm.Completer
	came       *llm.Response
}

// ErrNotKept says that a request is to be asked.
var ErrNotKept = errors.New("no answer is kept")

// Kept puts the journal and the cache in front of nothing.
func (c *Client) Kept() *Kept {
	k := &Kept{}
	none := func(context.Context, *llm.Request) (*llm.Response, error) { return nil, ErrNotKept }
	came := func(context.Context, *llm.Request) (*llm.Response, error) { return k.came, k.came.Err() }
	k.find = c.journaled(c.cached(llm.Func(none), c.refreshes))
	k.keep = c.journaled(c.cached(llm.Func(came), true)) // what came is newer than what is there
	return k
}

// Find returns what Complete would without asking, or ErrNotKept.
func (k *Kept) Find(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	return k.find.Complete(ctx, req)
}

// Keep stores the answer to a request. Its errors are those of the journal.
func (k *Kept) Keep(ctx context.Context, req *llm.Request, resp *llm.Response) error {
	k.came = resp
	_, err := k.keep.Complete(ctx, req)
	if errors.As(err, new(*llm.Error)) {
		return nil // an answer that cannot be used, stored as what it is
	}
	return err
}

// cached puts the cache around next.
func (c *Client) cached(next llm.Completer, refresh bool) llm.Completer {
	if c.noCache {
		return next
	}
	var store cache.Store
	if c.answers != nil {
		store = cache.Shared(c.answers)
	}
	return cache.New(next, store, cache.Options{
		Scope:   c.scope,
		TTL:     c.ttl,
		Refresh: refresh,
		Label:   c.label,
		Hit:     func(req *llm.Request) { c.counters.Count(observe.CacheHits, c.sys.Name, req.Model) },
		Broken:  func(err error) { c.unshared(c.answers, "the cache has failed: %v; going on without it", err) },
		Full:    func(err error) { c.sys.Log.Warnf("not every answer could be kept in the cache: %v", err) },
	})
}

// journaled puts the journal around next, if there is one.
func (c *Client) journaled(next llm.Completer) llm.Completer {
	if c.journal == nil {
		return next
	}
	return journal.New(next, c.journal, func(req *llm.Request) journal.Key { return cache.Key(c.scope, req) })
}

// AsksOnce reports whether of equal requests of a run the first alone is paid for,
// since the others find its answer in the cache.
func (c *Client) AsksOnce() bool {
	return c.plan.cacheDir != "" && !c.noCache && c.ttl > 0 && !c.refreshes
}
