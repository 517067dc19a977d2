package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/auth"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/panics"
	"gptpipe/pkg/wire"
)

// completing is how long a shell may be held up by --cached.
const completing = time.Second

// maxModels is more than a list of models has, in bytes.
const maxModels = 1 << 20

// models shows the models that the API offers, one a line.
func models(ctx context.Context, sys *cli.System, args []string) error {
	s := newSettings(sys)
	s.withBaseURL()
	s.flags.Shared.StringVar(&s.command, "key-command", "", "")
	api := apiFlag(s.flags)
	allowHTTP := s.flags.Shared.Bool("allow-http", false, "")
	cached := s.flags.Bool("cached", false, "")
	if err := s.parse(sys, args); err != nil {
		return err
	}
	endpoint, err := s.endpoint(*allowHTTP)
	if err != nil {
		return err
	}
	a := asking{sys: sys, settings: s, endpoint: endpoint, api: api.Value}
	kept := newModelList(cli.CacheDir(sys.Getenv), endpoint.String(), s.profile)
	if *cached {
		// A URL that is only being typed may be wrong, and gets no key; a key
		// command may ask the user for something.
		typed := slices.ContainsFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "--base-url") })
		return kept.complete(sys.Stdout, typed || s.command != "", func() ([]byte, error) {
			return within(ctx, completing, a.briefly)
		})
	}
	drain := cli.NewDrain(ctx) // a login that is refreshed is stored first
	defer drain.Close()
	names, err := a.names(drain.Soft)
	var stop *cli.Interrupt
	switch {
	case errors.As(context.Cause(drain.Soft), &stop):
		return stop
	case err != nil:
		return err
	}
	if err := kept.store(names); err != nil {
		sys.Log.Warnf("the list is not kept for completions: %v", err)
	}
	_, err = sys.Stdout.Write(names)
	return err
}

// asking asks an API for its models.
type asking struct {
	sys      *cli.System
	settings *settings
	endpoint wire.Endpoint
	api      string
}

func (a asking) query() credential.Query {
	s := a.settings
	return credential.Query{
		Profile: s.profile, Named: s.named, Host: s.host, Command: s.command,
		Getenv: a.sys.Getenv, ConfigDir: s.configDir, StateDir: cli.StateDir(a.sys.Getenv),
		Stderr: a.sys.Redact.Writer(a.sys.Stderr), Waiting: waiting(a.sys),
	}
}

func (a asking) client(ctx context.Context) *wire.Client {
	return wire.NewClient(wire.Options{
		Endpoint: a.endpoint, API: a.api,
		UserAgent: "gptpipe/" + cli.Version(), Timeout: checkTimeout, Jobs: 1, Lifetime: ctx,
	})
}

func noAnswer(d time.Duration) error { return fmt.Errorf("no answer within %v", d) }

// names asks as the other commands would.
func (a asking) names(ctx context.Context) ([]byte, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	client := a.client(ctx)
	var sender wire.Sender = client
	key, err := credential.Open(ctx, a.query(), func(k credential.Key) {
		a.sys.Redact.Add(k.Secrets()...)
		client.SetKey(k.Secret, k.Token)
		a.use(k)
	}, func(err error) { a.sys.Log.Warnf("%v", err) })
	var none *credential.NotFoundError
	switch {
	case err == nil:
		sender = auth.NewSender(client, key)
	case !errors.As(err, &none) || !a.endpoint.Local():
		return nil, cli.WithHint(cli.Failf(cli.StatusRefused, "%w", err), "gpt-key set stores a key; or set OPENAI_API_KEY")
	}
	defer time.AfterFunc(checkTimeout, panics.Func(func() { end(noAnswer(checkTimeout)) })).Stop()
	names, err := a.ask(ctx, sender)
	var e *llm.Error
	if errors.As(err, &e) && (e.KeyRefused() || e.Status == http.StatusForbidden) {
		if key == nil {
			return nil, cli.WithHint(cli.Failf(cli.StatusRefused, "no key was sent, and the API wants one: %w", err), "gpt-key status says why")
		}
		return nil, cli.Failf(cli.StatusRefused, "the API refuses the key: %w", err)
	}
	return names, err
}

// briefly asks while a user waits for a completion: nobody is asked to unlock a
// keyring, and a login is left as it is, for one that is refreshed must not be
// broken off.
func (a asking) briefly(ctx context.Context) ([]byte, error) {
	q := a.query()
	q.Silent, q.Stderr, q.Waiting = true, nil, nil
	client := a.client(ctx)
	key, err := credential.Find(ctx, q)
	var none *credential.NotFoundError
	switch {
	case err == nil:
		a.sys.Redact.Add(key.Secrets()...)
		client.SetKey(key.Secret, key.Token)
		a.use(key)
	case !errors.As(err, &none) || !a.endpoint.Local():
		return nil, err
	}
	return a.ask(ctx, client)
}

// within is what do answers, if it does so in time.
func within(ctx context.Context, d time.Duration, do func(context.Context) ([]byte, error)) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, d, noAnswer(d))
	defer cancel()
	var answer []byte
	var err error
	done := make(chan struct{})
	panics.Go(func() {
		answer, err = do(ctx)
		close(done)
	})
	select {
	case <-done:
		return answer, err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// use notes in the audit log that a key was used.
func (a asking) use(k credential.Key) {
	path, err := cli.AuditLog(a.sys.Getenv), errNoStateDir
	if path != "" {
		var u *audit.Use
		u, err = audit.Start(path, audit.Record{
			Command:  a.sys.Name,
			Profile:  a.settings.profile,
			Source:   k.Source,
			Key:      audit.Fingerprint(k.Secret),
			Endpoint: a.endpoint.String(),
		})
		err = errors.Join(err, u.End(1, 0))
	}
	if err != nil {
		a.sys.Log.Warnf("this is not in the audit log: %v", err)
	}
}

// ask asks for the models and answers their names in order, one a line. What
// cannot be a word of a command line is left out, and what has the key in it.
func (a asking) ask(ctx context.Context, s wire.Sender) ([]byte, error) {
	answer, err := s.Send(ctx, wire.Call{Method: http.MethodGet, Path: "/models"})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxModels+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxModels:
		return nil, errors.New("the API's list of models is longer than 1 MiB")
	}
	var list struct {
		Data []struct{ ID string }
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("the API's list of models cannot be read: %w", err)
	}
	var names []string
	for _, m := range list.Data {
		if isWord(m.ID) && !a.sys.Redact.Has([]byte(m.ID)) {
			names = append(names, m.ID+"\n")
		}
	}
	slices.Sort(names)
	return []byte(strings.Join(slices.Compact(names), "")), nil
}

func isWord(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:/@+-") == "" && name[0] != '-'
}
