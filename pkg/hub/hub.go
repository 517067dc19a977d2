// Package hub is what all processes of one user share: a cache of answers and counters, in the hands of one keeper.
//
// Badger lets one process in, so one process owns it, the keeper (package keeper, `gpt-cache serve`), and the others
// reach it through a unix socket that the cache folder names (package place). The first who needs it starts it:
//
//	    dial ──answers──▶ hello ──same version──▶ connected ◀──────────┐
//	     │ ▲                │  │                    │ broken           │
//	nobody │ wait, with     │  │ a later version,   └──▶ dial … ──▶ send again
//	     │ │ jitter         │  │ or started by hand      (twice at most)
//	     ▼ │                │  └──▶ ErrVersion
//	start.lock ◀──an earlier version
//	     │ held by us; held by another: back to dial
//	     ▼
//	dial again, ask a keeper of an earlier version to leave, start a keeper and dial until it answers or ends
//
// The keeper stays as long as it has users, and for a while after the last one: see package keeper for its side. When
// it is killed, its clients find out by the broken connection, and one of them starts another. Puts that were answered
// are in the database; those that were not are sent again, which does no harm. An Add sent again is counted once.
//
// Two things are held for longer than a request. A lease (Ask) is the right to ask the model for what others want too:
//
//	Ask ──value──▶ done          ┌── Put ─────────────────────────▶ those who wait have the value
//	 │ ▲                         │
//	 │ └ waits ◀──others hold it ├── Release, or the process ends ─▶ the first of those who wait holds it
//	 └──▶ holds it, renewed ─────┤
//	                             └── stopped, so not renewed ──────▶ the same, after 15 s
//
// And the limits of a rate budget (Start) are in force for all its users as long as the one who asks for them is
// connected. A client that has leases or limits connects again at once when its connection breaks, and tells the keeper
// of them before anything else. Those who wait, for an answer or their start, ask again.
//
// All state is a convenience: a program goes on without it. So errors come quickly, and [Error] tells those that will
// not pass (a folder that cannot be written, a full disk, no program to start) from those that may.
//
// No key or credential may be put into the hub.
package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
)

// Key names a cached value: a SHA-256 sum.
type Key = [32]byte

// Config says where the shared state is and how its keeper is started.
type Config struct {
	// Dir is the cache folder. It is made, mode 0700, when it is missing.
	Dir string
	// RuntimeDir is $XDG_RUNTIME_DIR, or "": a place for the socket if Dir does not do.
	RuntimeDir string
	// Command starts a keeper: the program and its first arguments, as in {"/usr/bin/gpt-cache", "serve"}. The client
	// adds "--cache Dir --linger Linger". It runs in a session of its own, in /, with its standard files on /dev/null
	// and of the environment only XDG_RUNTIME_DIR and TMPDIR, so that no key stays in it. With nil no keeper is ever
	// started.
	Command []string
	// Linger is how long a keeper started by this client outlives its last user. 0: not at all.
	Linger time.Duration
	// Notice is called with what the keeper has to tell the user, one line, when a connection is made. It may be nil.
	Notice func(text string)
}

// The bounds of what the client waits for.
const (
	startTimeout = 10 * time.Second // for a keeper to be there
	helloTimeout = 5 * time.Second  // for one that took the connection to say who it is
	replyTimeout = 10 * time.Second // for a reply, except to Stats and Purge, which look at all entries
	holdOff      = time.Second      // after a connection could not be had, before it is tried again
	silence      = time.Minute      // the same, after a keeper that did not say a word, for each try costs seconds
	resends      = 2                // of a request whose connection broke
	tries        = 3                // of starting a keeper again that crashed
)

// A Client is one process's way to the keeper. It is safe for concurrent use.
type Client struct {
	folder  string // the cache folder
	dir     string // where its keeper is found, see place.Base
	config  Config
	session [16]byte

	connecting chan struct{} // holds a token while somebody connects
	mu         sync.Mutex    // guards the next five
	link       *link         // nil: not connected
	failed     error         // why the last try to connect failed
	failedAt   time.Time
	closed     bool
	sharing

	adding    chan struct{}      // holds a token while an Add is under way, which the next three are for
	seq       uint64             // of the last Add
	openAdd   []byte             // the last Add, until it is known to have been counted
	unsentAdd map[string]float64 // what came while there was one
}

// Open connects to the keeper of c.Dir, and starts one when there is none. The context bounds the opening alone. All
// its errors are of type *Error, or the context's. With an error that is not permanent there is a client, too: it tries
// again when it is used, but not at once.
func Open(ctx context.Context, c Config) (*Client, error) {
	folder, dir, err := locate(c.Dir)
	if err != nil {
		return nil, err
	}
	client := &Client{folder: folder, dir: dir, config: c, connecting: make(chan struct{}, 1), adding: make(chan struct{}, 1)}
	rand.Read(client.session[:])
	client.share()
	switch _, err := client.connected(ctx); {
	case isPermanent(err):
		return nil, err
	default:
		return client, err
	}
}

// Close leaves the keeper, once it has read what was to be told to it without a reply, for which it has a second. Calls
// under way fail with ErrClosed.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.renewals()
	l, posted := c.link, c.posted
	c.mu.Unlock()
	if l == nil {
		return nil
	}
	if posted {
		l.settle(lastWords)
	}
	l.fail(ErrClosed)
	return nil
}

// Same reports whether two names of cache folders are of the same one.
func Same(a, b string) bool {
	a, errA := place.Resolve(a)
	b, errB := place.Resolve(b)
	if errA != nil || errB != nil || a == b {
		return errA == nil && errB == nil
	}
	infoA, errA := os.Stat(a)
	infoB, errB := os.Stat(b)
	return errA == nil && errB == nil && os.SameFile(infoA, infoB) // one of them is mounted
}

// Dir is where the keeper is found: the cache folder, or if that is on a network
// file system, a local one in its stead.
func (c *Client) Dir() string { return c.dir }

// connected returns the connection, and makes one first if there is none. After a failure it is not tried again for
// a while, and never if the failure is permanent.
func (c *Client) connected(ctx context.Context) (*link, error) {
	select {
	case c.connecting <- struct{}{}:
		defer func() { <-c.connecting }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l, err := c.current(); l != nil || err != nil {
		return l, err
	}
	l, err := c.connect(ctx)
	if errors.Is(err, ErrSilent) || errors.Is(err, ErrVersion) {
		err = c.ours(err)
	}
	if err == nil && l.notice != "" && c.config.Notice != nil {
		c.config.Notice(l.notice)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if ctx.Err() == nil {
			c.failed, c.failedAt = err, time.Now()
		}
		return nil, err
	}
	if c.closed {
		l.fail(ErrClosed)
		return nil, permanent(ErrClosed)
	}
	c.failed = nil
	c.announce(l)
	return l, nil
}

// current returns the connection if it is whole, or the error that stands against making one, or neither.
func (c *Client) current() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, permanent(ErrClosed)
	case c.link != nil && !c.link.broken():
		return c.link, nil
	case c.failed == nil:
		return nil, nil
	}
	wait := holdOff
	if errors.Is(c.failed, ErrSilent) {
		wait = silence
	}
	if isPermanent(c.failed) || time.Since(c.failedAt) < wait {
		return nil, c.failed
	}
	return nil, nil
}

// silent notes that the keeper does not answer.
func (c *Client) silent() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed, c.failedAt = c.ours(passing(ErrSilent)), time.Now()
	return c.failed
}

// ours adds to an error of the keeper's which one it is: a process may have two.
func (c *Client) ours(err error) error {
	return &Error{Permanent: isPermanent(err), Err: fmt.Errorf("%s: %w", c.folder, err)}
}

// call sends a request and waits for its reply, for at most limit if that is not 0, over a new connection if the one
// in use breaks.
func (c *Client) call(ctx context.Context, limit time.Duration, op byte, body []byte) (proto.Frame, error) {
	for try := 0; ; try++ {
		l, err := c.current()
		if err == nil && l == nil {
			l, err = c.connected(ctx)
		}
		if err != nil {
			return proto.Frame{}, err
		}
		reply, err := l.call(ctx, limit, op, body)
		switch {
		case err == nil:
			return reply, nil
		case ctx.Err() != nil:
			return proto.Frame{}, context.Cause(ctx)
		case err == ErrClosed:
			return proto.Frame{}, permanent(err)
		case err == ErrSilent:
			return proto.Frame{}, c.silent()
		case try == resends:
			return proto.Frame{}, passing(err)
		}
	}
}
