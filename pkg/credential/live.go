package credential

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"gptpipe/pkg/oauth"
)

// early is how long before the end of an access token the next is got; of a
// token that is good for less than five times that, a fifth of its time.
const early = time.Minute

// A Live is the credential of a process that may run for days: when the server
// refuses the key, the sources are asked again, for it may have been rotated,
// and an access token is refreshed before it expires. It is safe for concurrent
// use.
type Live struct {
	query Query
	found func(Key)
	told  func(error)

	key atomic.Pointer[current]

	mu     sync.Mutex // held while another key is looked for
	barren string     // a refused secret for which there was no other
	failed time.Time  // when a refresh failed last
	why    error      // that it failed for: so it did for all who waited for it
}

// current is a key, and when it is to be refreshed, unless that is zero.
type current struct {
	Key
	due time.Time
}

// Open answers what Find does, and keeps it up to date. found is called with
// each key before it is used, one at a time, and told with what the user should
// know, maybe from another goroutine: a *NotStoredError, or ErrCut.
func Open(ctx context.Context, q Query, found func(Key), told func(error)) (*Live, error) {
	l := &Live{query: q, found: found, told: told}
	key, err := Find(ctx, q)
	if err != nil {
		return nil, err
	}
	l.take(key)
	return l, nil
}

func (l *Live) take(k Key) {
	c := &current{Key: k}
	if login := k.entry.OAuth; login != nil && !login.Expires.IsZero() {
		c.due = login.Expires.Add(-min(early, time.Until(login.Expires)/5))
	}
	l.found(k)
	l.key.Store(c)
}

// Secret answers the secret in use, refreshed if it is about to expire. Its
// error is a *RefreshError, or that of ctx.
func (l *Live) Secret(ctx context.Context) (string, error) {
	c := l.key.Load()
	if !c.isDue() {
		return c.Secret, nil
	}
	begun := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch c = l.key.Load(); {
	case !c.isDue():
		return c.Secret, nil
	case l.failed.After(begun):
		return "", l.why
	}
	err := l.refresh(ctx, c.Key)
	switch {
	case err == nil:
		return l.key.Load().Secret, nil
	case ctx.Err() == nil && time.Now().Before(c.entry.OAuth.Expires): // it is good for a while
		l.key.Store(&current{Key: c.Key, due: time.Now().Add(pause)})
		return c.Secret, nil
	}
	return "", err
}

func (c *current) isDue() bool { return !c.due.IsZero() && !time.Now().Before(c.due) }

// Replaced looks for another credential, once for all who were refused with the
// same secret: an access token is refreshed, for anything else the sources are
// asked again. It reports whether there is another now; a key that cannot be
// found any more is no other. Its error is as Secret's.
func (l *Live) Replaced(ctx context.Context, refused string) (bool, error) {
	begun := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.key.Load()
	switch {
	case c.Secret != refused:
		return true, nil
	case l.barren == refused:
		return false, nil
	case l.failed.After(begun):
		return false, l.why
	}
	if c.Token {
		if err := l.refresh(ctx, c.Key); !overtaken(err) {
			return err == nil && l.key.Load().Secret != refused, err
		}
	}
	key, err := Find(ctx, l.query)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil || key.Secret == refused {
		l.barren = refused
		return false, nil
	}
	l.take(key)
	return true, nil
}

// overtaken reports whether a login could not be refreshed because another
// credential has taken its place.
func overtaken(err error) bool {
	return errors.Is(err, ErrNoLogin) || errors.Is(err, ErrNoEntry) || errors.As(err, new(*BoundError))
}

// refresh takes the next access token of a login. The caller holds mu.
func (l *Live) refresh(ctx context.Context, k Key) error {
	profile := l.query.profile()
	patience := lockPatience
	if t := l.query.Timeout; t > 0 {
		patience = min(patience, t)
	}
	next, err := refresh(ctx, k.store, profile, k.entry, patience, l.told)
	unstored := errors.As(err, new(*NotStoredError))
	switch {
	case unstored:
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		err = &RefreshError{Err: err}
		if !overtaken(err) {
			l.failed, l.why = time.Now(), err
		}
		return err
	}
	l.take(Key{Secret: next.Key, Source: k.Source, Token: next.OAuth != nil, entry: next, store: k.store})
	if unstored {
		l.told(err) // what a keyring says may quote its entry, which had to be known first
	}
	return nil
}

// A RefreshError is a login whose next access token could not be had.
type RefreshError struct{ Err error }

func (e *RefreshError) Error() string {
	text := "the login could not be refreshed: " + e.Err.Error()
	if errors.Is(e.Err, oauth.ErrEnded) {
		text += ": gpt-key login makes a new one"
	}
	return text
}

func (e *RefreshError) Unwrap() error { return e.Err }

// Temporary reports whether it may soon be had, and nobody has to do anything for
// it: the way to the provider or the provider itself failed, though not for its
// certificate, or another process holds the lock.
func (e *RefreshError) Temporary() bool {
	var refusal *oauth.Error
	var lost *oauth.NetworkError
	switch {
	case errors.As(e.Err, &refusal):
		return refusal.Temporary()
	case errors.As(e.Err, &lost):
		return lost.Temporary()
	}
	return errors.As(e.Err, new(*BusyError))
}
