package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
)

// set reads a key and stores it, bound to the host of the base URL in force.
func set(ctx context.Context, sys *cli.System, args []string) error {
	s := newSettings(sys)
	s.withBaseURL()
	toFile := s.flags.Bool("file", false, "")
	if err := s.parse(sys, args); err != nil {
		return err
	}
	target, file := s.stores(sys)
	if *toFile {
		target = file
	}

	// Nobody is asked for a key that has nowhere to go.
	before, err := target.Get(ctx, s.profile)
	if !*toFile && !replaceable(err) {
		return notStored(err)
	}
	key, err := readNewKey(sys, fmt.Sprintf("API key for %s (not shown): ", s.host))
	if err != nil {
		return err
	}
	entry := credential.Entry{Key: key, Host: s.host, Set: time.Now().UTC().Truncate(time.Second)}
	unlock, err := s.lock(ctx, sys)
	if err != nil {
		return fmt.Errorf("the key is not stored: %w", err)
	}
	defer unlock()
	switch err := target.Set(ctx, s.profile, entry); {
	case err != nil && !*toFile:
		return notStored(err)
	case err != nil:
		return err
	}
	s.note(sys, audit.Set, target, entry, before)
	switch {
	case before.OAuth != nil:
		sys.Log.Warnf("replaced the login for %s: the server still takes its tokens; gpt-key logout, before set, would have had it revoke them", before.Host)
	case before.Host != "" && before.Host != s.host:
		sys.Log.Warnf("replaced the key for %s", before.Host)
	}
	sys.Log.Infof("stored the key in %s, for %s alone (profile %s)", target.name, s.host, s.profile)
	if *toFile {
		s.warnOfKeyring(ctx, sys)
	}
	return nil
}

// warnOfKeyring tells that the keyring has a key too, where that is so, for it
// comes before a file.
func (s *settings) warnOfKeyring(ctx context.Context, sys *cli.System) {
	keyring := credential.Keyring{Getenv: sys.Getenv, Silent: true}
	switch e, err := keyring.Get(ctx, s.profile); {
	case err == nil && e.Host == s.host:
		sys.Log.Warnf("the keyring has a key for profile %s too, and that one is used: gpt-key delete removes both", s.profile)
	case errors.Is(err, credential.ErrLocked):
		sys.Log.Warnf("the keyring is locked: a key in it for profile %s would be used before this one", s.profile)
	}
}

// replaceable reports whether err, of reading what a new key will replace,
// leaves it possible to write.
func replaceable(err error) bool {
	var invalid *credential.InvalidError
	return err == nil || errors.Is(err, credential.ErrNoEntry) || errors.As(err, &invalid)
}

func notStored(err error) error {
	what := "gpt-key set --file stores the key in a file that you alone can read"
	if errors.Is(err, credential.ErrLocked) {
		what = "unlock it and try again; or " + what
	}
	return cli.WithHint(fmt.Errorf("the key is not stored: %w", err), "%s", what)
}
