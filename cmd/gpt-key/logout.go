package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
	"gptpipe/pkg/oauth"
	"gptpipe/pkg/panics"
)

// logout ends the profile's login, at the server where that can be done, and
// deletes it from wherever it is stored.
func logout(ctx context.Context, sys *cli.System, args []string) error {
	s := newSettings(sys)
	if err := s.parse(sys, args); err != nil {
		return err
	}
	occupied := s.occupied(ctx, sys)
	// A refresh that ends after this would leave tokens that nobody revokes.
	if unlock, err := s.lock(ctx, occupied...); err == nil {
		defer unlock()
	} else {
		sys.Log.Warnf("a process that refreshes the login now may keep a token: %v", err)
	}

	var stores []store
	var logins []credential.Entry
	var failed error
	for _, store := range occupied {
		entry, err := store.Get(ctx, s.profile)
		switch {
		case missing(err), err == nil && entry.OAuth == nil:
			continue
		case err != nil:
			failed = fmt.Errorf("%s may still hold a login: %w", store.name, err)
			continue
		}
		stores, logins = append(stores, store), append(logins, entry)
	}
	revoked := revoke(ctx, sys, logins)
	for i, store := range stores {
		err := store.Delete(ctx, s.profile)
		if gone(err) || unknown(err) {
			s.note(sys, audit.Logout, store, logins[i], credential.Entry{})
		}
		if !gone(err) {
			failed = fmt.Errorf("%s may still hold the login: %w", store.name, err)
			continue
		}
		sys.Log.Infof("deleted the login for %s from %s (profile %s)", logins[i].Host, store.name, s.profile)
		switch {
		case err != nil:
			failed = fmt.Errorf("%s may still hold a login: %w", store.name, err)
		case revoked != nil:
			failed = fmt.Errorf("the tokens are not revoked: %w", revoked)
		}
	}
	if failed == nil && len(logins) == 0 {
		return cli.WithHint(cli.Failf(cli.StatusRefused, "no login is stored for profile %s", s.profile),
			"gpt-key delete removes a key")
	}
	return failed
}

// revokeQuiet is how long a server may take before it is told that it is waited
// for.
const revokeQuiet = time.Second

// revoke ends the tokens of logins at their servers, but for those that are in
// keep, and says where there is no way to. They have checkTimeout for all of it.
func revoke(ctx context.Context, sys *cli.System, logins []credential.Entry, keep ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, noAnswer(checkTimeout))
	defer cancel()
	defer time.AfterFunc(revokeQuiet, panics.Func(func() {
		sys.Log.Infof("waiting for the server to revoke the tokens, for at most %v", checkTimeout)
	})).Stop()
	var failed error
	for _, e := range logins {
		sys.Redact.Add(e.Secrets()...)
		for _, token := range []string{e.OAuth.Refresh, e.Key} {
			if token == "" || slices.Contains(keep, token) {
				continue
			}
			err := e.OAuth.Provider.Revoke(ctx, token)
			if errors.Is(err, context.DeadlineExceeded) {
				err = context.Cause(ctx)
			}
			if errors.Is(err, oauth.ErrCannot) {
				sys.Log.Warnf("%v: the access token may be of use until it expires%s", err, until(e.OAuth.Expires))
				break
			}
			if failed == nil {
				failed = err
			}
		}
	}
	return failed
}
