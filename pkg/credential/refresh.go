package credential

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"gptpipe/pkg/oauth"
	"gptpipe/pkg/panics"
)

// ErrNoLogin says that what is stored is a key, which cannot be refreshed.
var ErrNoLogin = errors.New("what is stored is a key, not a login")

// A NotStoredError is an access token that was got and could not be stored.
type NotStoredError struct {
	Lost bool // the login, with this process: the server may take the stored refresh token no more
	Err  error
}

func (e *NotStoredError) Error() string {
	text := "the refreshed login is not stored"
	if errors.As(e.Err, new(*UnknownError)) {
		text = "it is not known whether the refreshed login is stored"
	}
	if e.Lost {
		text += "; it may be lost when this process ends (gpt-key login makes a new one)"
	}
	return text + ": " + e.Err.Error()
}
func (e *NotStoredError) Unwrap() error { return e.Err }

// An UnwritableError is a login that was not refreshed, since its store could
// not have taken what would have come: it is as good as before.
type UnwritableError struct{ Err error }

func (e *UnwritableError) Error() string {
	return fmt.Sprintf("it could not be stored: %v; the server was not asked, and the login is still good: make room, or the folder writable, and run this again", e.Err)
}
func (e *UnwritableError) Unwrap() error { return e.Err }

// grace is how long a refresh that is under way goes on after its context has
// ended, as long as the commands drain: the server may have changed the refresh
// token already. It is a variable for tests.
var grace = 10 * time.Second

// ErrCut is a person's login whose refresh goes on when its context has ended. If
// the process ends before the refresh does, the refresh token may be spent.
var ErrCut = errors.New("interrupted while the login is refreshed: if it is refused from now on, gpt-key login makes a new one")

// refresh answers what has taken the place of old, the entry of a login whose
// access token has expired or was refused. Any number of processes may ask at
// once: under the lock of what store has, the first asks the provider and stores
// the answer, the others find it in the store. None waits for the lock longer than
// patience. told is called with ErrCut.
//
// A failure is kept beside the lock for 10 s, unless the server was not reached:
// those who ask meanwhile fail with it, a *RepeatedError, and do not ask the
// server once more. A login that was
// deleted or replaced meanwhile is not brought back. With a *NotStoredError
// there is an entry, which this process can use and refresh again.
//
// Other errors are those of oauth.Provider.Refresh and Client, of the store, of
// Lock and of ctx; ErrNoLogin; *UnwritableError; and *BoundError, if what is
// stored now is for another host than old.
func refresh(ctx context.Context, store Store, profile string, old Entry, patience time.Duration, told func(error)) (Entry, error) {
	files, inFile := store.(Files)
	lock, err := lock(ctx, store, profile, patience)
	switch {
	case err == nil:
		defer lock.Close()
	case inFile && errors.Is(err, fs.ErrNotExist): // its folder is gone
		return Entry{}, ErrNoEntry
	case !errors.Is(err, ErrNoStateDir) && !errors.As(err, new(*fs.PathError)):
		return Entry{}, err
	case old.OAuth == nil || old.OAuth.Flow != FlowClient:
		return Entry{}, &UnwritableError{err}
	default: // nothing is spent, and any token of the client's will do
	}
	stored, err := store.Get(ctx, profile)
	switch {
	case err != nil:
		return Entry{}, err
	case stored.Host != old.Host:
		return Entry{}, &BoundError{stored.Host, old.Host}
	}
	last := stored
	if stored.Key == old.unsaved {
		last = old // the store has what this one took the place of
	}
	switch {
	case last.after(old):
		return last, nil
	case last.OAuth == nil:
		return Entry{}, ErrNoLogin
	}
	if err := lock.repeated(last); err != nil {
		return Entry{}, err
	}
	set := func(e Entry) error { return store.Set(ctx, profile, e) }
	// What the server takes no more once it has answered is not spent for nothing.
	if inFile && last.OAuth.Flow != FlowClient && last.unsaved == "" {
		room, err := files.reserve(profile, last)
		if err != nil {
			return Entry{}, &UnwritableError{err}
		}
		defer room.discard()
		set = room.commit
	}
	ctx, cancel := outlasting(ctx, func() {
		if last.OAuth.Flow != FlowClient {
			told(ErrCut)
		}
	})
	defer cancel()
	token, err := last.OAuth.next(ctx)
	if err != nil {
		if ctx.Err() == nil {
			lock.keep(last, err)
		}
		return Entry{}, err
	}
	next := last.WithToken(token)
	// A file or an entry that is changed by hand does not wait for this lock.
	now, err := store.Get(ctx, profile)
	switch {
	case err == nil && now.Key != stored.Key:
		if now.Host != old.Host {
			return Entry{}, &BoundError{now.Host, old.Host}
		}
		return now, nil
	case errors.Is(err, ErrNoEntry):
		return Entry{}, err
	case err == nil:
		err = set(next)
	}
	if err != nil {
		next.unsaved = stored.Key
		return next, &NotStoredError{next.OAuth.Flow != FlowClient, err}
	}
	return next, nil
}

// after reports whether e has taken the place of old. A server may give the
// same token again, for longer.
func (e Entry) after(old Entry) bool {
	return e.Key != old.Key || e.OAuth != nil && old.OAuth != nil && e.OAuth.Expires.After(old.OAuth.Expires)
}

// outlasting is a context that ends a moment after ctx, when cut is called.
func outlasting(ctx context.Context, cut func()) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	more := grace
	stop := context.AfterFunc(ctx, panics.Func(func() {
		time.AfterFunc(more, panics.Func(cancel))
		cut()
	}))
	return late, func() { stop(); cancel() }
}

// A RepeatedError is a refresh that was not tried, for it has just failed, here
// or in another process. It wraps the failure: oauth.ErrEnded and *oauth.Error
// are found in it.
type RepeatedError struct {
	At  time.Time // of the failure
	Err error
}

func (e *RepeatedError) Error() string {
	return fmt.Sprintf("%v (asked at %s)", e.Err, e.At.Local().Format(time.TimeOnly))
}
func (e *RepeatedError) Unwrap() error { return e.Err }

// A failure is what is kept of a refresh that failed.
type failure struct {
	Login   string       `json:"login"` // the fingerprint of what was refreshed
	At      time.Time    `json:"at"`
	Ended   bool         `json:"ended,omitempty"`
	Network bool         `json:"network,omitempty"`
	Refusal *oauth.Error `json:"refusal,omitempty"`
	Text    string       `json:"text"`
}

func (f failure) error() error {
	err := errors.New(f.Text)
	switch {
	case f.Refusal != nil:
		err = f.Refusal
	case f.Network:
		err = &oauth.NetworkError{Err: err}
	}
	if f.Ended {
		err = fmt.Errorf("%w: %w", oauth.ErrEnded, err)
	}
	return &RepeatedError{f.At, err}
}
