package main

import (
	"context"
	"errors"
	"fmt"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/credential"
)

// remove deletes the profile's key, or login, from wherever it is stored.
func remove(ctx context.Context, sys *cli.System, args []string) error {
	s := newSettings(sys)
	if err := s.parse(sys, args); err != nil {
		return err
	}
	keyring, file := s.stores(sys)
	unlock, err := s.lock(ctx, keyring, file)
	if err != nil {
		return fmt.Errorf("nothing is deleted: %w", err)
	}
	defer unlock()
	deleted := false
	var failed error
	for _, store := range []store{keyring, file} {
		entry, err := store.Get(ctx, s.profile)
		if !errors.Is(err, credential.ErrLocked) { // else, what cannot be read can be deleted
			err = store.Delete(ctx, s.profile)
		}
		if err == nil || unknown(err) {
			s.note(sys, audit.Delete, store, entry, credential.Entry{})
		}
		switch {
		case err == nil:
			deleted = true
			if entry.OAuth == nil {
				sys.Log.Infof("deleted the key from %s (profile %s)", store.name, s.profile)
				continue
			}
			sys.Log.Infof("deleted the login for %s from %s (profile %s)", entry.Host, store.name, s.profile)
			sys.Log.Warnf("the server still takes the tokens of the login: gpt-key logout, in place of delete, has it revoke them")
		case !missing(err):
			failed = fmt.Errorf("%s may still hold a key: %w", store.name, err)
		}
	}
	if failed == nil && !deleted {
		return cli.Failf(cli.StatusRefused, "no key is stored for profile %s", s.profile)
	}
	return failed
}
