package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
	"gptpipe/pkg/oauth"
)

// login gets a token by OAuth 2.0 and stores it, bound to the host of the base
// URL in force, with what it takes to get the next.
func login(ctx context.Context, sys *cli.System, args []string) error {
	s := newSettings(sys)
	s.withBaseURL()
	toFile := s.flags.Bool("file", false, "")
	var w wish
	w.addFlags(&s.flags.FlagSet)
	if err := s.parse(sys, args); err != nil {
		return err
	}
	if err := w.complete(s); err != nil {
		return err
	}
	if s.host == credential.DefaultHost {
		return cli.Usagef("%s takes keys, not tokens: give the gateway's --base-url", s.host)
	}
	target, file := s.stores(sys)
	if *toFile {
		target = file
	}

	// Nobody logs in for a token that has nowhere to go.
	before, err := target.Get(ctx, s.profile)
	if !replaceable(err) {
		return loginNotStored(err, *toFile)
	}
	sys.Redact.Add(before.Secrets()...)
	secret := ""
	if w.flow == credential.FlowClient {
		text, err := readKey(sys, fmt.Sprintf("secret of the client %s (not shown): ", w.clientID))
		if err != nil {
			return err
		}
		if secret = strings.TrimRight(text, "\r\n"); !oauth.Usable(secret) {
			return errors.New("not a client secret: it is empty, or has other than visible ASCII characters inside")
		}
		sys.Redact.Add(secret)
	}

	drain := cli.NewDrain(ctx)
	defer drain.Close()
	entry, err := w.grant(drain.Soft, sys, secret)
	var stop *cli.Interrupt
	switch {
	case errors.As(context.Cause(drain.Soft), &stop):
		withdraw(drain.Hard, sys, entry, before)
		return stop
	case err != nil:
		return notLoggedIn(err)
	}
	entry.Host, entry.Set = s.host, time.Now().UTC().Truncate(time.Second)
	before, err = s.keep(drain.Hard, target, entry)
	if err == nil || unknown(err) {
		s.note(sys, audit.Login, target, entry, before)
	}
	if err != nil {
		withdraw(drain.Soft, sys, entry, before)
		return loginNotStored(err, *toFile)
	}
	sys.Log.Infof("logged in; the token is in %s, for %s alone (profile %s)", target.name, s.host, s.profile)
	switch {
	case before.OAuth != nil:
		sys.Log.Infof("it replaces the login for %s, whose tokens the server is asked to revoke", before.Host)
		if err := revoke(drain.Soft, sys, []credential.Entry{before}, entry.Secrets()...); err != nil {
			sys.Log.Warnf("they are not revoked: %v", err)
		}
	case before.Host != "":
		sys.Log.Warnf("replaced the key for %s that was stored", before.Host)
	}
	if w.flow == credential.FlowDevice && entry.OAuth.Refresh == "" {
		sys.Log.Warnf("the server gave no refresh token, so the login ends with the token%s; --scope offline_access asks for one",
			until(entry.OAuth.Expires))
	}
	if *toFile {
		s.warnOfKeyring(ctx, sys)
	}
	s.warnOfPrecedence(sys)
	return nil
}

// grant gets a token from the server that w names.
func (w *wish) grant(ctx context.Context, sys *cli.System, secret string) (credential.Entry, error) {
	provider := oauth.Provider{TokenURL: w.tokenURL}
	if w.issuer != "" {
		var err error
		if provider, err = oauth.Discover(ctx, w.issuer); err != nil {
			return credential.Entry{}, err
		}
	}
	if w.deviceURL != "" {
		provider.DeviceURL = w.deviceURL
	}
	provider.ClientID, provider.ClientSecret, provider.Scopes = w.clientID, secret, w.scopes

	var token oauth.Token
	var err error
	if w.flow == credential.FlowClient {
		token, err = provider.Client(ctx)
	} else {
		token, err = provider.Device(ctx, func(url, code string, expires time.Time) {
			sys.Log.Infof("visit %s and enter %s", url, code)
			sys.Log.Infof("the code is good until %s", expires.Local().Format(time.TimeOnly))
		})
	}
	sys.Redact.Add(token.Access, token.Refresh)
	entry := credential.Entry{OAuth: &credential.Login{Provider: provider, Flow: w.flow}}
	return entry.WithToken(token), err
}

// until says when a token expires, if it is known.
func until(expires time.Time) string {
	if expires.IsZero() {
		return ""
	}
	return " at " + expires.Local().Format(time.DateTime)
}

// notLoggedIn gives a failed login its exit status.
func notLoggedIn(err error) error {
	var address *oauth.URLError
	var issuer *oauth.IssuerError
	var refusal *oauth.Error
	switch {
	case errors.As(err, &address), errors.As(err, &issuer):
		return cli.Usagef("%w", err)
	case errors.Is(err, oauth.ErrCannot):
		return cli.WithHint(cli.Usagef("%w", err), "--device-url names one; --flow client needs none")
	case errors.Is(err, oauth.ErrExpired):
		return cli.WithHint(cli.Failf(cli.StatusRefused, "%w", err), "run gpt-key login again for a new code")
	case errors.Is(err, oauth.ErrDenied), errors.As(err, &refusal) && refusal.Refused():
		return cli.Failf(cli.StatusRefused, "not logged in: %w", err)
	}
	return fmt.Errorf("not logged in: %w", err)
}

// keep stores a login, and answers what was there before.
func (s *settings) keep(ctx context.Context, target store, e credential.Entry) (before credential.Entry, err error) {
	unlock, err := s.lock(ctx, target)
	if err != nil {
		return before, err
	}
	defer unlock()
	before, err = target.Get(ctx, s.profile)
	if replaceable(err) {
		err = target.Set(ctx, s.profile, e)
	}
	return before, err
}

// withdraw has the tokens of a login revoked that is not stored, but for those
// that are.
func withdraw(ctx context.Context, sys *cli.System, e, stored credential.Entry) {
	if e.Key == "" {
		return
	}
	sys.Log.Infof("the server is asked to revoke the new tokens")
	if err := revoke(ctx, sys, []credential.Entry{e}, stored.Secrets()...); err != nil {
		sys.Log.Warnf("they are not revoked: %v", err)
	}
}

// loginNotStored advises a file, unless that is where it could not be.
func loginNotStored(err error, toFile bool) error {
	if unknown(err) {
		return cli.WithHint(fmt.Errorf("it is not known whether the login is stored: %w", err),
			"run gpt-key login again")
	}
	failed := fmt.Errorf("the login cannot be stored: %w", err)
	if toFile || errors.As(err, new(*credential.BusyError)) {
		return failed
	}
	what := "gpt-key login --file keeps the login in a file that you alone can read"
	if errors.Is(err, credential.ErrLocked) {
		what = "unlock it and try again; or " + what
	}
	return cli.WithHint(failed, "%s", what)
}
