package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
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
	unlock, err := s.lock(ctx, target)
	if err != nil {
		return fmt.Errorf("the key is not stored: %w", err)
	}
	defer unlock()
	err = target.Set(ctx, s.profile, entry)
	if err == nil || unknown(err) {
		s.note(sys, audit.Set, target, entry, before)
	}
	switch {
	case err != nil && !*toFile:
		return notStored(err)
	case err != nil:
		return err
	}
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
	s.warnOfPrecedence(sys)
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

// warnOfPrecedence tells that a key command or $OPENAI_API_KEY, where the profile
// goes by it, comes before what is stored.
func (s *settings) warnOfPrecedence(sys *cli.System) {
	var command string
	flags := cli.NewFlags()
	flags.Shared.StringVar(&command, "key-command", "", "")
	// What is wrong with the settings has been told: they were read before.
	if flags.Environment(sys.Getenv, nil) == nil && s.configDir != "" &&
		flags.FileSome(filepath.Join(s.configDir, "profiles", s.profile)) == nil {
		flags.FileSome(filepath.Join(s.configDir, "config"))
	}
	switch {
	case command != "":
		sys.Log.Warnf("a key command is set, by $GPT_KEY_COMMAND or the configuration, and its key is used before this one")
	case !s.named && sys.Getenv("OPENAI_API_KEY") != "":
		sys.Log.Warnf("$OPENAI_API_KEY is set, and its key is used before this one")
	}
}

// replaceable reports whether err, of reading what a new key will replace,
// leaves it possible to write.
func replaceable(err error) bool {
	var invalid *credential.InvalidError
	return err == nil || errors.Is(err, credential.ErrNoEntry) || errors.As(err, &invalid)
}

// unknown reports whether what err is of may have been done all the same.
func unknown(err error) bool { return errors.As(err, new(*credential.UnknownError)) }

const lookLater = "gpt-key status shows, after a while, what is there"

func notStored(err error) error {
	if unknown(err) {
		return cli.WithHint(fmt.Errorf("it is not known whether the key is stored: %w", err), lookLater)
	}
	what := "gpt-key set --file stores the key in a file that you alone can read"
	if errors.Is(err, credential.ErrLocked) {
		what = "unlock it and try again; or " + what
	}
	return cli.WithHint(fmt.Errorf("the key is not stored: %w", err), "%s", what)
}
