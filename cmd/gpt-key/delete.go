package main

import (
	"context"
	"errors"
	"fmt"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
)

// mostEntries is how many entries for one profile delete takes from a keyring.
const mostEntries = 10

// remove deletes the profile's key, or login, from wherever it is stored.
func remove(ctx context.Context, sys *cli.System, args []string) error {
	s := newSettings(sys)
	if err := s.parse(sys, args); err != nil {
		return err
	}
	stores := s.occupied(ctx, sys)
	unlock, err := s.lock(ctx, stores...)
	if err != nil {
		return fmt.Errorf("nothing is deleted: %w", err)
	}
	defer unlock()
	deleted := false
	var failed error
	for _, store := range stores {
		err := credential.ErrAnother
		for i := 0; i < mostEntries && errors.Is(err, credential.ErrAnother); i++ {
			err = s.removeFrom(ctx, sys, store)
			deleted = deleted || gone(err)
		}
		if err != nil && !missing(err) {
			failed = fmt.Errorf("%s may still hold a key: %w", store.name, err)
		}
	}
	if failed == nil && !deleted {
		return cli.Failf(cli.StatusRefused, "no key is stored for profile %s", s.profile)
	}
	return failed
}

// removeFrom deletes what store has for the profile, which it tells.
func (s *settings) removeFrom(ctx context.Context, sys *cli.System, store store) error {
	entry, unread := store.Get(ctx, s.profile)
	if errors.Is(unread, credential.ErrLocked) {
		return unread
	}
	err := store.Delete(ctx, s.profile) // what cannot be read can be deleted
	if gone(err) || unknown(err) {
		s.note(sys, audit.Delete, store, entry, credential.Entry{})
	}
	switch {
	case !gone(err):
	case unread != nil:
		sys.Log.Infof("removed the entry of %s, which had no key that could be read (profile %s)", store.name, s.profile)
	case entry.OAuth == nil:
		sys.Log.Infof("deleted the key from %s (profile %s)", store.name, s.profile)
	default:
		sys.Log.Infof("deleted the login for %s from %s (profile %s)", entry.Host, store.name, s.profile)
		sys.Log.Warnf("the server still takes the tokens of the login: gpt-key logout, in place of delete, has it revoke them")
	}
	return err
}

// gone reports whether err, of deleting an entry, leaves it deleted.
func gone(err error) bool { return err == nil || errors.Is(err, credential.ErrAnother) }
