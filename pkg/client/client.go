// Package client is what gpt-ask and gpt-map share: the API flags, and the
// chain of decorators that they describe.
//
//	journal ▶ cache ▶ gather ▶ retry ▶ mask ▶ answer ▶ meter ▶ auth ▶ adapt ▶ limit ▶ observe ▶ wire
//
// A hit in the cache spends nothing; every attempt takes its own token from
// the limits and is counted; a wait between attempts holds none; an answer
// that cannot be used is a failed attempt. Gather is there for embeddings alone.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gptpipe/pkg/answer"
	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
	"gptpipe/pkg/gather"
	"gptpipe/pkg/hub"
	"gptpipe/pkg/journal"
	"gptpipe/pkg/limit"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/observe"
	"gptpipe/pkg/price"
	"gptpipe/pkg/retry"
	"gptpipe/pkg/wire"
)

// A pacing sends requests as fast as the server bears it, see limit.Adapter.
type pacing interface {
	llm.Completer
	Rate() float64
	AtOnce() int
}

// A Client asks one endpoint one model, or with Options.Lines those that requests name.
type Client struct {
	llm.Completer

	sys     *cli.System
	plan    plan
	profile string
	api     string
	embeds  bool
	lines   bool // each names a model of its own
	sample  int
	pace    pacing
	caches  bool
	scope   []string // of the names of requests

	noCache bool
	ttl     time.Duration
	journal *journal.Journal

	wire      *wire.Client
	key       *credential.Live // nil: none is needed
	use       *use             // of the key; nil: it is not in the audit log
	unlogged  sync.Once        // told that there is no such log
	retries   int
	maxWait   time.Duration
	refreshes bool
	limits    *hub.Client // that has them; nil: they are this process's own
	counts    *hub.Client // nil: nothing is counted
	answers   *hub.Client // nil: they are not shared
	counters  *observe.Counters
	retried   atomic.Int64
	asks      chan struct{} // closed before the first request
	told      func()        // ends what hands on the counters
	table     atomic.Pointer[price.Table]

	labels   sync.Map // by model
	labelled atomic.Int32

	mu     sync.Mutex
	prices map[string]*price.Price // by model, those that have been looked up; nil: not known

	why sync.Map // by hub, the last reason that something is not shared
}

// Options are what the commands differ in.
type Options struct {
	Jobs int // requests at once

	// Meter, if not nil, makes what is to stand around each attempt, outside the
	// limits, and may refuse the parameters.
	Meter func(llm.Params) (func(next llm.Completer) llm.Completer, error)

	// Embed asks for embeddings: the text of an answer is a line of base64, see
	// wire.VectorJSON. Many requests become one.
	Embed bool

	// Lines says that each request names a model of its own.
	Lines bool

	// Dry is for a Client that only makes requests, and finds answers that are
	// kept: it needs no key, and asks nothing.
	Dry bool
}

// New reads the flags to the end, finds the key and puts the chain together.
// It returns a cli.Error: of status 2 when the flags make no sense, 4 when
// there is no key. Nothing is sent. Close it.
func New(sys *cli.System, drain *cli.Drain, flags *cli.Flags, f *Flags, o Options) (*Client, error) {
	if err := f.complete(sys, flags); err != nil {
		return nil, err
	}
	if o.Embed {
		if err := f.forEmbedding(flags); err != nil {
			return nil, err
		}
	}
	p, err := f.plan(sys)
	if err != nil {
		return nil, err
	}
	meter := func(next llm.Completer) llm.Completer { return next }
	if o.Meter != nil {
		if meter, err = o.Meter(p.params); err != nil {
			return nil, err
		}
	}
	c := &Client{
		sys:       sys,
		plan:      p,
		profile:   f.profile,
		api:       f.api.Value,
		embeds:    o.Embed,
		lines:     o.Lines,
		sample:    f.sample.N,
		noCache:   f.noCache,
		ttl:       time.Duration(f.ttl),
		refreshes: f.refresh,
		asks:      make(chan struct{}),
	}
	c.counters = observe.NewCounters(c.label)
	c.scope = scope(f, p)
	if o.Dry {
		if _, err := os.Stat(p.cacheDir); err == nil && !f.noCache && !f.refresh {
			c.openAnswers(drain.Soft, f)
		}
		return c, nil
	}
	c.wire = wire.NewClient(wire.Options{
		Endpoint:     p.endpoint,
		API:          c.api,
		Embed:        o.Embed,
		Organization: f.organization,
		Project:      f.project,
		UserAgent:    "gptpipe/" + cli.Version(),
		Timeout:      time.Duration(f.timeout),
		Jobs:         o.Jobs,
		Lifetime:     drain.Hard,
	})
	if err := c.openKey(drain.Soft, f); err != nil {
		return nil, err
	}
	c.retries, c.maxWait = f.retries.N, time.Duration(f.maxWait)
	c.openHubs(drain.Soft, f)
	c.Completer = observe.Requests(c.wire, c.counters, sys.Name, c.bill)
	next := c.Completer
	paced := func(model string) *limit.Adapter {
		p := c.pacer(f, model)
		return limit.Adapt(limit.New(next, p), p.Users)
	}
	if o.Lines {
		c.pace = limit.ByModel(paced)
	} else {
		c.pace = paced(p.params.Model)
	}
	c.Completer = meter(c.renewing(c.queue(c.pace)))
	c.Completer = c.masked(answer.Check(c.Completer, p.params.JSON, p.schema))
	c.Completer = retry.New(c.Completer, retry.Options{
		Retries: f.retries.N,
		MaxWait: time.Duration(f.maxWait),
		Jobs:    o.Jobs,
		Report:  c.reportRetry(),
	})
	if o.Embed {
		c.Completer = gather.New(c.Completer, o.Jobs, f.retries.N > 0)
	}
	c.caches = c.answers != nil && !f.noCache
	c.Completer = c.cached(c.missing(c.Completer), c.refreshes)
	c.told = c.tell(tellEvery)
	return c, nil
}

// scope is what beside its body tells a request from others: where it goes, and
// what its answer has passed when it is stored. The body says that too, but an
// option may have taken the place of the field.
func scope(f *Flags, p plan) []string {
	return []string{
		f.api.Value, p.endpoint.String(), f.organization, f.project,
		strconv.FormatBool(p.params.JSON), string(p.params.Schema),
	}
}

// pacer keeps the limits on a model over all processes, or without a hub in this one.
func (c *Client) pacer(f *Flags, model string) limit.Pacer {
	limits := f.limits()
	if c.limits == nil {
		return limit.Local(limits)
	}
	// By the profile and not the key: a rotated key is no fresh budget.
	b := hub.Budget{
		Name:            strings.Join([]string{c.plan.endpoint.String(), f.profile, model}, "\n"),
		PerSecond:       limits.PerSecond,
		PerMinute:       limits.PerMinute,
		TokensPerMinute: limits.TokensPerMinute,
	}
	return limit.Shared(c.limits, b, c.maxWait,
		func(err error) { c.unshared(c.limits, "limits are no longer shared: %v", err) },
		func(d time.Duration) {
			c.sys.Log.Infof("the server has asked to wait; going on in %v", d.Round(time.Second))
		})
}

// reportRetry tells of long waits, at most every ten seconds, and of each at
// level debug.
func (c *Client) reportRetry() func(string, *llm.Error, time.Duration) {
	var mu sync.Mutex
	var told time.Time
	return func(model string, why *llm.Error, wait time.Duration) {
		c.retried.Add(1)
		c.counters.Count(observe.Retries, c.sys.Name, model)
		c.sys.Log.Debugf("attempt %d failed: %v; next in %v", why.Attempts, why, wait.Round(time.Millisecond))
		mu.Lock()
		defer mu.Unlock()
		if wait >= 5*time.Second && time.Since(told) > 10*time.Second {
			told = time.Now()
			c.sys.Log.Infof("%v; trying again in %v", why, wait.Round(time.Second))
		}
	}
}

// Journal puts a journal around everything: what it holds is neither asked nor looked up, and what comes is in it first.
func (c *Client) Journal(j *journal.Journal) {
	c.journal = j
	c.Completer = c.journaled(c.Completer)
}

// Refreshes reports whether answers are to be asked for anew.
func (c *Client) Refreshes() bool { return c.refreshes }

// BatchJob is what a job of the Batch API has to know of the endpoint and of what its answers have to fit.
func (c *Client) BatchJob() batch.Job {
	api := c.api
	if c.embeds {
		api = "embeddings"
	}
	return batch.Job{
		Client:   c.sender(),
		URL:      batch.URLOf(api),
		Endpoint: strings.Join(c.scope[1:4], "\n"),
		Scope:    append([]string{strconv.Itoa(c.sample)}, c.scope[4:]...),
		Read: func(status int, body []byte) (*llm.Response, error) {
			one := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { return c.wire.ReadAnswer(status, body) })
			return c.masked(answer.Check(one, c.plan.params.JSON, c.plan.schema)).Complete(context.Background(), &llm.Request{})
		},
		Mask:    c.maskJSON,
		Retries: c.retries,
		MaxWait: c.maxWait,
	}
}

// Retried is how many attempts have been repeated so far.
func (c *Client) Retried() int64 { return c.retried.Load() }

// Pace is how many requests a second are sent, because the server bears no more; 0: as many as there are. Of several
// models it is that of the slowest, see limit.Models.
func (c *Client) Pace() float64 { return c.pace.Rate() }

// AtOnce is how many requests are in flight at most, because the server is overloaded by more; 0: as many as there are.
// Of several models it is that of the one with the fewest.
func (c *Client) AtOnce() int { return c.pace.AtOnce() }

// Model is the name of the model that is asked.
func (c *Client) Model() string { return c.plan.params.Model }

// Sample is the number of the sample that is asked for.
func (c *Client) Sample() int { return c.sample }

// Caches reports whether answers are kept, so that a rerun does not ask again.
func (c *Client) Caches() bool { return c.caches }

// WantsJSON reports whether answers are JSON values.
func (c *Client) WantsJSON() bool { return c.plan.params.JSON }

// Request encodes a conversation, with the system message in front; or the last turn, if it is for an embedding.
func (c *Client) Request(turns ...llm.Message) (*llm.Request, error) {
	if c.embeds {
		text := turns[len(turns)-1].Content
		body := wire.EncodeEmbedding(c.plan.params.Model, text, c.plan.params.Options)
		return &llm.Request{Model: c.plan.params.Model, Body: body, Sample: c.sample}, nil
	}
	p := &llm.Prompt{Params: c.plan.params, Messages: turns}
	if c.plan.system != "" {
		p.Messages = append([]llm.Message{{Role: "system", Content: c.plan.system}}, turns...)
	}
	body, err := wire.Encode(c.api, p)
	if err != nil {
		return nil, err
	}
	return &llm.Request{Model: p.Model, Body: body, Sample: c.sample}, nil
}

// Close hands the counters on, notes what the key was used for, and leaves the hub.
func (c *Client) Close() {
	if c.told != nil { // else it was only looked what is there
		c.endUse()
		c.told()
	}
	c.closeHubs()
}

// Failure is the error of a run that ends because of err, with its status.
func Failure(err error) error {
	var e *llm.Error
	var wait *llm.WaitError
	switch {
	case errors.As(err, &wait):
		return cli.Failf(cli.StatusStopped, "%w", err)
	case !errors.As(err, &e):
		return err
	case e.Type == llm.Auth:
		return cli.Failf(cli.StatusRefused, "%w", err)
	case e.Type == llm.InvalidRequest && e.Fatal: // whatever it was: there is no API
		return cli.WithHint(cli.Failf(cli.StatusRefused, "%w", err), "look at --base-url, or OPENAI_BASE_URL: it mostly ends in /v1")
	case e.Type == llm.Quota:
		return cli.Failf(cli.StatusStopped, "%w", err)
	}
	return cli.Failf(cli.StatusFailed, "%w", err)
}

func compactJSON(data []byte) json.RawMessage {
	var out bytes.Buffer
	if json.Compact(&out, data) != nil {
		return data
	}
	return out.Bytes()
}
