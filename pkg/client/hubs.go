package client

import (
	"context"
	"errors"
	"os"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
)

// openHubs reaches what all processes share: limits and counters with the keeper of the user's own cache folder, answers
// with that of this run's, which is mostly the same. That of this run has all where the user can have no folder of his
// own. Where he has one, and it cannot be used, it has the limits; but its counters would be taken for those of all
// processes. Without any the program goes on. What is not shared is said.
func (c *Client) openHubs(ctx context.Context, f *Flags) {
	own := cli.CacheDir(c.sys.Getenv)
	if own == "" || hub.Same(own, c.plan.cacheDir) {
		c.counts = c.openAnswers(ctx, f)
		c.limits = c.answers
		return
	}
	var err error
	if c.counts, err = c.openHub(ctx, f, own); err == nil {
		c.limits = c.counts
		if !f.noCache {
			c.openAnswers(ctx, f)
		}
		return
	}
	run := c.openAnswers(ctx, f)
	c.limits = c.answers
	if _, missing := os.Stat(own); missing != nil {
		c.counts = run
	} else if ctx.Err() == nil {
		c.sys.Log.Warnf("limits and counters are not those of all processes: %v", err)
	}
}

// openAnswers reaches the cache. What it returns may be of use later, see hub.Open.
func (c *Client) openAnswers(ctx context.Context, f *Flags) *hub.Client {
	h, err := c.openHub(ctx, f, c.plan.cacheDir)
	if err == nil {
		c.answers = h
	} else if ctx.Err() == nil {
		c.sys.Log.Warnf("no shared cache: %v; going on without it", err)
	}
	return h
}

func (c *Client) openHub(ctx context.Context, f *Flags, dir string) (*hub.Client, error) {
	if dir == "" {
		return nil, errors.New("neither HOME nor XDG_CACHE_HOME is set")
	}
	h, err := hub.Open(ctx, hub.Config{
		Dir:        dir,
		RuntimeDir: c.sys.Getenv("XDG_RUNTIME_DIR"),
		Command:    []string{cli.Sibling("gpt-cache"), "serve"},
		Linger:     time.Duration(f.linger),
		Notice:     func(text string) { c.sys.Log.Warnf("%s", text) },
	})
	if ctx.Err() != nil && h != nil { // the run is to end, and not to try again
		h.Close()
		return nil, context.Cause(ctx)
	}
	return h, err
}

// closeHubs leaves them. To leave one twice does no harm.
func (c *Client) closeHubs() {
	for _, h := range []*hub.Client{c.limits, c.counts, c.answers} {
		if h != nil {
			h.Close()
		}
	}
}

// unshared tells that something is no longer shared, unless it is in the hands of a hub that has told the same before.
func (c *Client) unshared(h *hub.Client, format string, err error) {
	if before, told := c.why.Swap(h, err.Error()); !told || before != err.Error() {
		c.sys.Log.Warnf(format, err)
	}
}
