package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
)

// checkTimeout is how long the API may take over its list of models, whole; a
// variable for tests.
var checkTimeout = 30 * time.Second

// rotate reads a new key, tries it against the API, and puts it in the place of
// the one that is stored.
func rotate(ctx context.Context, sys *cli.System, args []string) error {
	s := newSettings(sys)
	s.withBaseURL()
	api := apiFlag(s.flags)
	allowHTTP := s.flags.Shared.Bool("allow-http", false, "")
	if err := s.parse(sys, args); err != nil {
		return err
	}
	endpoint, err := s.endpoint(*allowHTTP)
	if err != nil {
		return err
	}
	where, old, err := s.stored(ctx, sys)
	if err != nil {
		return err
	}
	sys.Redact.Add(old.Key)

	entry := old
	if entry.Key, err = readNewKey(sys, fmt.Sprintf("new API key for %s (not shown): ", s.host)); err != nil {
		return err
	}
	if entry.Key == old.Key {
		return fmt.Errorf("this is the key that is stored: nothing is changed")
	}
	asked, cancel := context.WithTimeoutCause(ctx, checkTimeout, noAnswer(checkTimeout))
	defer cancel()
	client := wire.NewClient(wire.Options{
		Endpoint: endpoint, API: api.Value, Key: entry.Key,
		UserAgent: "gptpipe/" + cli.Version(), Timeout: checkTimeout, Jobs: 1, Lifetime: asked,
	})
	if err := check(asked, client); err != nil {
		if cli.StatusOf(err) == cli.StatusRefused {
			s.note(sys, audit.Refused, where, entry, credential.Entry{})
		}
		return err
	}
	unlock, err := s.lock(ctx, where)
	if err != nil {
		return fmt.Errorf("the old key stays in %s: %w", where.name, err)
	}
	defer unlock()
	switch now, err := where.Get(ctx, s.profile); {
	case errors.Is(err, credential.ErrNoEntry), err == nil && now.Key != old.Key:
		return fmt.Errorf("%s was changed meanwhile, and is left as it is", where.name)
	case err != nil:
		return fmt.Errorf("the old key stays in %s: %w", where.name, err)
	}
	entry.Set = time.Now().UTC().Truncate(time.Second)
	err = where.Set(ctx, s.profile, entry)
	if err == nil || unknown(err) {
		s.note(sys, audit.Rotate, where, entry, old)
	}
	switch {
	case unknown(err):
		return cli.WithHint(fmt.Errorf("it is not known whether the new key is in %s, in place of the old one: %w", where.name, err), lookLater)
	case err != nil:
		return fmt.Errorf("the old key stays in %s: %w", where.name, err)
	}
	sys.Log.Infof("the API takes the new key; it is in %s, in place of the old one (profile %s)", where.name, s.profile)
	s.warnOfPrecedence(sys)
	return nil
}

// apiFlag adds the flag that says how a key is sent.
func apiFlag(flags *cli.Flags) *cli.Choice {
	api := &cli.Choice{Value: "chat", Of: []string{"chat", "responses", "azure"}}
	flags.Shared.Var(api, "api", "")
	return api
}

// endpoint is what the base URL names, if a key may go there.
func (s *settings) endpoint(allowHTTP bool) (wire.Endpoint, error) {
	endpoint, err := wire.ParseEndpoint(s.baseURL)
	switch {
	case err != nil:
		return endpoint, cli.Usagef("%w", err)
	case !endpoint.TLS() && !endpoint.Local() && !allowHTTP:
		return endpoint, cli.WithHint(cli.Usagef("base URL %s: plain http would show the key to the network", endpoint),
			"use https://, or --allow-http if you mean it")
	}
	return endpoint, nil
}

// stored finds the key that is to be replaced: the one that is used for the
// host, as the keyring comes before the file. A store that does not show what
// it has ends the search, or the key behind it would be replaced in vain.
func (s *settings) stored(ctx context.Context, sys *cli.System) (store, credential.Entry, error) {
	keyring, file := s.stores(sys)
	var elsewhere string
	for _, where := range []store{keyring, file} {
		e, err := where.Get(ctx, s.profile)
		switch {
		case err == nil && e.Host != s.host:
			elsewhere = e.Host
		case err == nil && e.OAuth != nil:
			return where, e, cli.WithHint(cli.Usagef("%s has a login for profile %s, and no key", where.name, s.profile),
				"gpt-key login renews it")
		case err == nil:
			return where, e, nil
		case !missing(err):
			hint := "gpt-key set --file replaces it untried"
			switch {
			case errors.Is(err, credential.ErrLocked):
				hint = "unlock it and try again"
			case where.name == keyring.name:
				hint = "gpt-key set replaces it untried, and gpt-key set --file leaves it alone"
			}
			return where, e, cli.WithHint(
				fmt.Errorf("nothing is changed, for it is not known what the key is: %s: %w", where.name, err), "%s", hint)
		}
	}
	if elsewhere != "" {
		return store{}, credential.Entry{}, cli.WithHint(
			cli.Usagef("profile %s has no key for %s: %w", s.profile, s.host, &credential.BoundError{Host: elsewhere, Wanted: s.host}),
			"--base-url names the API that the key is for; gpt-key set stores a key for another")
	}
	return store{}, credential.Entry{}, cli.WithHint(
		cli.Failf(cli.StatusRefused, "no key is stored for profile %s", s.profile), "gpt-key set stores one")
}

// check asks the API for its models with the new key. Whatever leaves open if
// it takes the key is a failure too.
func check(ctx context.Context, c *wire.Client) error {
	answer, err := c.Send(ctx, wire.Call{Method: http.MethodGet, Path: "/models"})
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, maxModels))
		answer.Body.Close()
	}
	var e *llm.Error
	errors.As(err, &e)
	switch {
	case err == nil:
		return nil
	case e == nil:
		return fmt.Errorf("the old key stays: %w", err)
	case e.KeyRefused(), e.Status == http.StatusForbidden:
		return cli.Failf(cli.StatusRefused, "the API refuses the new key, and the old one stays: %w", err)
	case e.Status == http.StatusNotFound, e.Status == http.StatusMethodNotAllowed, e.Status == http.StatusNotImplemented:
		return cli.WithHint(fmt.Errorf("the API has no list of models to try the new key with, and the old one stays: %w", err),
			"gpt-key set stores a key untried")
	}
	return fmt.Errorf("the new key could not be tried, and the old one stays: %w", err)
}
