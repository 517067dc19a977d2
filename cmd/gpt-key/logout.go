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
	keyring, file := s.stores(sys)
	// A refresh that ends after this would leave tokens that nobody revokes.
	if unlock, err := s.lock(ctx, keyring, file); err == nil {
		defer unlock()
	} else {
		sys.Log.Warnf("a process that refreshes the login now may keep a token: %v", err)
	}

	found := false
	var failed error
	for _, store := range []store{keyring, file} {
		entry, err := store.Get(ctx, s.profile)
		switch {
		case missing(err), err == nil && entry.OAuth == nil:
			continue
		case err != nil:
			failed = fmt.Errorf("%s may still hold a login: %w", store.name, err)
			continue
		}
		found = true
		revoked := revoke(ctx, sys, entry)
		err = store.Delete(ctx, s.profile)
		if err == nil || unknown(err) {
			s.note(sys, audit.Logout, store, entry, credential.Entry{})
		}
		if err != nil {
			failed = fmt.Errorf("%s may still hold the login: %w", store.name, err)
			continue
		}
		sys.Log.Infof("deleted the login for %s from %s (profile %s)", entry.Host, store.name, s.profile)
		if revoked != nil {
			failed = fmt.Errorf("the tokens are not revoked: %w", revoked)
		}
	}
	if failed == nil && !found {
		return cli.WithHint(cli.Failf(cli.StatusRefused, "no login is stored for profile %s", s.profile),
			"gpt-key delete removes a key")
	}
	return failed
}

// revokeQuiet is how long a server may take before it is told that it is waited
// for.
const revokeQuiet = time.Second

// revoke ends both tokens at the server, but for those that are in keep, and
// says where there is no way to. The server has checkTimeout for both.
func revoke(ctx context.Context, sys *cli.System, e credential.Entry, keep ...string) error {
	sys.Redact.Add(e.Secrets()...)
	ctx, cancel := context.WithTimeoutCause(ctx, checkTimeout, noAnswer(checkTimeout))
	defer cancel()
	defer time.AfterFunc(revokeQuiet, panics.Func(func() {
		sys.Log.Infof("waiting for the server to revoke the tokens, for at most %v", checkTimeout)
	})).Stop()
	var failed error
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
	return failed
}
