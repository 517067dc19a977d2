package client

import (
	"context"
	"errors"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
	"gptpipe/pkg/pace"
)

// openHubs reaches what all processes share: limits and counters with the keeper of the user's own cache folder, answers
// with that of this run's, which is mostly the same. Where the user has no folder of his own, or it cannot be used, that
// of this run has both. Without any the program goes on, and says so.
func (c *Client) openHubs(ctx context.Context, f *Flags) {
	own, dir := cli.CacheDir(c.sys.Getenv), c.plan.cacheDir
	apart := own != "" && !hub.Same(own, dir)
	var unusable error
	if apart {
		c.user, unusable = c.openHub(ctx, f, own)
	}
	if c.user != nil && f.noCache {
		return
	}
	c.openAnswers(ctx, f)
	if c.user != nil {
		return
	}
	c.user = c.answers
	if apart && c.user != nil && ctx.Err() == nil && (f.limits() != (pace.Limits{}) || c.plan.metrics != "") {
		c.sys.Log.Warnf("limits and counters are shared only with those that have the same --cache: %v", unusable)
	}
}

// openAnswers reaches the cache alone.
func (c *Client) openAnswers(ctx context.Context, f *Flags) {
	var err error
	if c.answers, err = c.openHub(ctx, f, c.plan.cacheDir); err != nil && ctx.Err() == nil {
		c.sys.Log.Warnf("no shared cache: %v; going on without it", err)
	}
}

func (c *Client) openHub(ctx context.Context, f *Flags, dir string) (*hub.Client, error) {
	if dir == "" {
		return nil, errors.New("neither HOME nor XDG_CACHE_HOME is set")
	}
	return hub.Open(ctx, hub.Config{
		Dir:        dir,
		RuntimeDir: c.sys.Getenv("XDG_RUNTIME_DIR"),
		Command:    []string{cli.Sibling("gpt-cache"), "serve"},
		Linger:     time.Duration(f.linger),
		Notice:     func(text string) { c.sys.Log.Warnf("%s", text) },
	})
}

// closeHubs leaves them.
func (c *Client) closeHubs() {
	if c.user != nil {
		c.user.Close()
	}
	if c.answers != nil && c.answers != c.user {
		c.answers.Close()
	}
}
