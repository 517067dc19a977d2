package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
	"gptpipe/pkg/oauth"
)

// logoutPatience is how long a refresh under way in another process is waited
// for.
const logoutPatience = 10 * time.Second

// logout ends the profile's login, at the server where that can be done, and
// deletes it from wherever it is stored.
func logout(ctx context.Context, sys *cli.System, args []string) error {
	s := newSettings(sys)
	if err := s.parse(sys, args); err != nil {
		return err
	}
	// A refresh that ends after this would leave tokens that nobody revokes.
	patience, cancel := context.WithTimeout(ctx, logoutPatience)
	defer cancel()
	lock, err := credential.Lock(patience, credential.LockPath(cli.StateDir(sys.Getenv), s.profile))
	if err != nil {
		sys.Log.Warnf("a process that refreshes the login now may keep a token: %v", err)
	} else {
		defer lock.Close()
	}

	keyring, file := s.stores(sys)
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
		if err := store.Delete(ctx, s.profile); err != nil {
			failed = fmt.Errorf("%s still holds the login: %w", store.name, err)
			continue
		}
		s.note(sys, audit.Logout, store, entry, credential.Entry{})
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

// revoke ends both tokens at the server, and says where there is no way to.
func revoke(ctx context.Context, sys *cli.System, e credential.Entry) error {
	sys.Redact.Add(e.Key)
	sys.Redact.Add(e.OAuth.Refresh)
	sys.Redact.Add(e.OAuth.Provider.ClientSecret)
	var failed error
	for _, token := range []string{e.OAuth.Refresh, e.Key} {
		if token == "" {
			continue
		}
		err := e.OAuth.Provider.Revoke(ctx, token)
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
