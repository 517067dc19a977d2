package credential

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/zalando/go-keyring"

	"gptpipe/pkg/panics"
)

// service is the name under which the keyring has our entries.
const service = "gptpipe"

// keyringPatience is how long the keyring may take over one call, unlock
// prompt included: a filter in a cron job must not wait for a person.
const keyringPatience = 3 * time.Second

// ErrNoKeyring says that this session has no keyring at all: there is no
// session bus, or no service on it that keeps secrets.
var ErrNoKeyring = errors.New("no keyring")

// Why a keyring did not serve.
var (
	// ErrLocked says that the keyring is locked and was not unlocked in time.
	ErrLocked = errors.New("the keyring is locked")

	// ErrAnother says that what was in use is deleted, and that there is another
	// entry for the profile, made by another program.
	ErrAnother = errors.New("it has another entry for this profile")

	errNoBus        = fmt.Errorf("%w: no session bus ($DBUS_SESSION_BUS_ADDRESS is not set, and there is no $XDG_RUNTIME_DIR/bus)", ErrNoKeyring)
	errNoService    = fmt.Errorf("%w: no service on the session bus keeps secrets (gnome-keyring and KWallet do)", ErrNoKeyring)
	errNoCollection = fmt.Errorf("%w: the secret service has no default keyring yet", ErrNoKeyring)
	errNotUnix      = fmt.Errorf("%w: the session bus is not on a unix socket, and keys would cross the network in clear", ErrNoKeyring)
	errNoAnswer     = fmt.Errorf("no answer within %v", keyringPatience)
	errGarbled      = errors.New("the session bus has ended, or the keyring answers otherwise than the Secret Service API has it")
	errUnchanged    = errors.New("the keyring says that it is done, and has what it had: its prompt may have been dismissed")
)

// An UnknownError is a change that the keyring has not said it made: it may have
// made it, or may still make it.
type UnknownError struct{ Err error }

func (e *UnknownError) Error() string { return e.Err.Error() }
func (e *UnknownError) Unwrap() error { return e.Err }

// Keyring is the store of keys in the system keyring, reached over the
// session bus, which has to be on a unix socket. A call ends after 3 s. A change
// that is begun by then may still take effect: its error is an *UnknownError,
// or ErrLocked if the user may still answer a prompt while the process lives.
type Keyring struct {
	Getenv   func(string) string
	StateDir string // has the locks of logins where $HOME is not set
	Silent   bool   // nobody is asked to unlock it: locked is ErrLocked at once
}

// Get reads the key of profile.
func (k Keyring) Get(ctx context.Context, profile string) (Entry, error) {
	var text string
	err := k.call(ctx, profile, func() (err error) {
		text, err = keyring.Get(service, profile)
		return err
	})
	if err != nil {
		return Entry{}, err
	}
	return decodeEntry(text)
}

// Set stores the key of profile, and looks that it is there.
func (k Keyring) Set(ctx context.Context, profile string, e Entry) error {
	text, err := e.encode()
	if err != nil {
		return err
	}
	return k.change(ctx, profile, func() error {
		if err := keyring.Set(service, profile, text); err != nil {
			return err
		}
		now, err := keyring.Get(service, profile)
		switch {
		case errors.Is(err, keyring.ErrNotFound), err == nil && now != text:
			return errUnchanged
		case err != nil:
			return &UnknownError{err}
		}
		return nil
	})
}

// Delete removes the key of profile, and looks that it is gone. If another has
// come to light, that is ErrAnother.
func (k Keyring) Delete(ctx context.Context, profile string) error {
	return k.change(ctx, profile, func() error {
		before, unread := keyring.Get(service, profile)
		if err := keyring.Delete(service, profile); err != nil {
			return err
		}
		now, err := keyring.Get(service, profile)
		switch {
		case err == nil && unread == nil && now == before:
			return errUnchanged
		case err == nil:
			return ErrAnother
		case !errors.Is(err, keyring.ErrNotFound):
			return &UnknownError{err}
		}
		return nil
	})
}

// change is call for what writes. That go-keyring reports success proves
// nothing: it takes a prompt that was dismissed for one that was answered.
func (k Keyring) change(ctx context.Context, profile string, op func() error) error {
	var begun atomic.Bool
	err := k.call(ctx, profile, func() error {
		begun.Store(true)
		return op()
	})
	var answer dbus.Error
	switch {
	case !begun.Load():
	case errors.Is(err, errNoAnswer), errors.Is(err, errGarbled),
		errors.As(err, &answer) && answer.Name == errNoReply:
		return &UnknownError{err}
	}
	return err
}

// call does op on the entry of profile, once it is known what the keyring is
// like, for go-keyring's errors do not say.
func (k Keyring) call(ctx context.Context, profile string, op func() error) error {
	if err := CheckProfile(profile); err != nil {
		return err
	}
	var locked atomic.Bool
	err := k.within(ctx, func(ctx context.Context, address string) error {
		isLocked, err := probe(ctx, address)
		locked.Store(isLocked)
		switch {
		case err != nil:
			return err
		case isLocked && k.Silent:
			return ErrLocked
		}
		return op()
	})
	switch {
	case errors.Is(err, keyring.ErrNotFound):
		return ErrNoEntry
	case err != nil && ctx.Err() == nil && locked.Load():
		return ErrLocked
	}
	return err
}

// within does op and waits no longer than keyringPatience: go-keyring waits for
// ever on a bus that is silent and on a prompt.
func (k Keyring) within(ctx context.Context, op func(ctx context.Context, address string) error) error {
	address, err := k.bus()
	if err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, keyringPatience)
	defer cancel()
	done := make(chan error, 1)
	panics.Go(func() {
		// go-keyring panics when the bus ends under a prompt, which may be long
		// after it was given up, and on answers of other types than it expects.
		defer func() {
			if recover() != nil {
				done <- errGarbled
			}
		}()
		done <- op(patience, address)
	})
	select {
	case err = <-done:
	case <-patience.Done():
		err = errNoAnswer
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil && patience.Err() != nil:
		return errNoAnswer
	}
	return err
}

// lockPath is under the home even if $XDG_STATE_HOME leads elsewhere: all that
// reach one keyring are to go by one lock, and its other processes may not have
// that variable.
func (k Keyring) lockPath(profile string) string {
	dir := k.StateDir
	if home := k.Getenv("HOME"); filepath.IsAbs(home) {
		dir = filepath.Join(home, ".local/state/gptpipe")
	}
	return filepath.Join(dir, "login", profile+".lock")
}

// bus is the address of the session bus.
func (k Keyring) bus() (string, error) {
	address := k.Getenv("DBUS_SESSION_BUS_ADDRESS")
	if address == "" || address == "autolaunch:" {
		socket := filepath.Join(k.Getenv("XDG_RUNTIME_DIR"), "bus")
		if _, err := os.Stat(socket); err != nil || !filepath.IsAbs(socket) {
			return "", errNoBus
		}
		address = "unix:path=" + escapeAddress(socket)
	}
	for one := range strings.SplitSeq(address, ";") {
		if !strings.HasPrefix(one, "unix:") {
			return "", errNotUnix
		}
	}
	// go-keyring takes the bus from this variable alone; without it, it would
	// start one that nobody ends.
	return address, os.Setenv("DBUS_SESSION_BUS_ADDRESS", address)
}
