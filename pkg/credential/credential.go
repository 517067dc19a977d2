// Package credential finds the key for an API host, and keeps keys where
// others do not see them.
//
// Find asks the sources in a fixed order, and the first that holds a key wins:
//
//  1. the key command (Query.Command), run by sh: the first line of its stdout
//  2. $OPENAI_API_KEY, unless a profile is named
//  3. $CREDENTIALS_DIRECTORY/openai-api-key, as systemd provides it
//  4. the system keyring: service "gptpipe", user the profile
//  5. the file keys/PROFILE in the folder of the configuration
//
// What is stored, in the keyring or in a file, is bound to the scheme, host and
// port it was set for (HostOf) and is used for no other. A host without a scheme
// is one of https, also where an earlier version, which did not keep the scheme,
// stored it: a key that was for http then has to be set once more. A key written
// into a file by hand is taken as bound to DefaultHost.
//
// A source that has nothing, or cannot be reached, or keeps a key for another
// host, is passed over; when all are, the reasons are in a *NotFoundError. A
// source that holds something that is no key, or a key command that fails,
// ends the search with a *SourceError: it was set up to be used, and a key
// further down the list may be another account's.
//
// Stores (Keyring, Files) keep, replace and delete keys. Nothing here reads
// the environment but through Query.Getenv and Keyring.Getenv, and no error
// repeats a key.
package credential

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// DefaultProfile is the profile where none is named.
const DefaultProfile = "default"

// DefaultHost is what a key written by hand, without a host, is bound to.
const DefaultHost = "api.openai.com"

// A Query says which key is wanted and where it may be looked for.
type Query struct {
	Profile string // DefaultProfile if empty
	Named   bool   // the user named the profile: $OPENAI_API_KEY is passed over
	Host    string // of the base URL in force, as HostOf gives it
	Command string // the key command, or empty

	Getenv    func(string) string
	ConfigDir string        // keys are in its folder "keys"; empty: there is none
	StateDir  string        // locks of logins of the keyring are in its folder "login", where $HOME is not set
	Timeout   time.Duration // another process's refresh is waited for no longer than this, and than 10 s; 0: 10 s
	Silent    bool          // nobody is asked to unlock the keyring
	Stderr    io.Writer     // for what the key command says; nil discards it
	Waiting   func()        // called once the key command has taken 5 s; may be nil
}

func (q Query) profile() string {
	if q.Profile == "" {
		return DefaultProfile
	}
	return q.Profile
}

// A Key is a secret and the name of the source it came from. Printed with fmt
// it shows the source alone.
type Key struct {
	Secret, Source string
	Token          bool // it is the access token of a login

	entry Entry
	store Store // that it is kept in, or nil
}

func newKey(e Entry, s source) Key {
	return Key{Secret: e.Key, Source: s.name, Token: e.OAuth != nil, entry: e, store: s.store}
}

// Secrets are what no message may show: the key, and of a login, what gets the
// next.
func (k Key) Secrets() []string { return k.entry.Secrets() }

func (k Key) String() string { return "key from " + k.Source }

// GoString hides the secret from %#v.
func (k Key) GoString() string { return k.String() }

// An Attempt is what became of asking one source: it held Entry, or Err says
// why it did not serve.
type Attempt struct {
	Source string
	Entry  Entry
	Err    error
}

// A NotFoundError says, source by source in the order they are asked, why no
// key was found.
type NotFoundError struct {
	Profile, Host string
	Attempts      []Attempt
}

func (e *NotFoundError) Error() string {
	reasons := make([]string, len(e.Attempts))
	for i, a := range e.Attempts {
		reasons[i] = fmt.Sprintf("%s: %v", a.Source, a.Err)
	}
	return fmt.Sprintf("no key for %s (profile %s): %s", e.Host, e.Profile, strings.Join(reasons, "; "))
}

// A SourceError ends the search: the key command failed (*CommandError), or
// what the source holds is no key (*InvalidError).
type SourceError struct {
	Source string
	Err    error
}

func (e *SourceError) Error() string { return e.Source + ": " + e.Err.Error() }
func (e *SourceError) Unwrap() error { return e.Err }

// A BoundError is a stored key that is kept for another host, or another scheme,
// than is wanted; both as HostOf gives them.
type BoundError struct{ Host, Wanted string }

func (e *BoundError) Error() string {
	const anew = "; gpt-key set, or login, with this base URL stores one for it"
	switch {
	case e.Wanted == plain+strings.TrimSuffix(e.Host, ":80"): // as http was written once
		return "its key is bound to https://" + e.Host + ", and never goes out over plain http" + anew
	case e.Host == plain+e.Wanted:
		return "its key is bound to " + e.Host + ", and not to https" + anew
	}
	return "its key is bound to " + e.Host
}

// Find answers the key of the first source that holds one. Beside
// *NotFoundError and *SourceError it can fail with *ProfileError, and with
// the error of ctx.
func Find(ctx context.Context, q Query) (Key, error) {
	key, _, err := search(ctx, q, false)
	return key, err
}

// Trace answers what Find does, and asks the sources behind the one that
// decides too: attempts has all of them, in order.
func Trace(ctx context.Context, q Query) (key Key, attempts []Attempt, err error) {
	return search(ctx, q, true)
}

func search(ctx context.Context, q Query, all bool) (key Key, attempts []Attempt, err error) {
	if err := CheckProfile(q.profile()); err != nil {
		return Key{}, nil, err
	}
	decided := false
	for _, s := range q.sources() {
		entry, reason := s.look(ctx)
		if ctx.Err() != nil {
			return Key{}, attempts, ctx.Err()
		}
		attempts = append(attempts, Attempt{s.name, entry, reason})
		if !decided {
			switch {
			case reason == nil:
				key, decided = newKey(entry, s), true
			case endsSearch(reason):
				err, decided = &SourceError{s.name, reason}, true
			}
		}
		if decided && !all {
			break
		}
	}
	if !decided {
		err = &NotFoundError{q.profile(), q.Host, attempts}
	}
	return key, attempts, err
}

func endsSearch(err error) bool {
	var invalid *InvalidError
	var command *CommandError
	return errors.As(err, &invalid) || errors.As(err, &command)
}
