package credential

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// escapeAddress writes a path as a value of a bus address.
var escapeAddress = dbus.EscapeBusAddressValue

// The Secret Service API of freedesktop.org, as far as it is needed to see
// whether the keyring that go-keyring takes is locked.
const (
	secretsName       = "org.freedesktop.secrets"
	secretsPath       = dbus.ObjectPath("/org/freedesktop/secrets")
	loginPath         = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	serviceInterface  = "org.freedesktop.Secret.Service"
	collectionLocked  = "org.freedesktop.Secret.Collection.Locked"
	noSuchObject      = dbus.ObjectPath("/")
	errSpawn          = "org.freedesktop.DBus.Error.Spawn."
	errServiceUnknown = "org.freedesktop.DBus.Error.ServiceUnknown"
	errNameHasNoOwner = "org.freedesktop.DBus.Error.NameHasNoOwner"
)

// probe reports whether the keyring is locked, or why there is none to be
// reached at address.
func probe(ctx context.Context, address string) (locked bool, err error) {
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return false, inPlainWords(err)
	}
	defer conn.Close()
	secrets := conn.Object(secretsName, secretsPath)
	var collections []dbus.ObjectPath
	if err := secrets.StoreProperty(serviceInterface+".Collections", &collections); err != nil {
		return false, inPlainWords(err)
	}
	path := loginPath
	if !slices.Contains(collections, loginPath) {
		err := secrets.CallWithContext(ctx, serviceInterface+".ReadAlias", 0, "default").Store(&path)
		switch {
		case err != nil:
			return false, inPlainWords(err)
		case path == noSuchObject:
			return false, errNoCollection
		}
	}
	if err := conn.Object(secretsName, path).StoreProperty(collectionLocked, &locked); err != nil {
		return false, inPlainWords(err)
	}
	return locked, nil
}

func inPlainWords(err error) error {
	var answer dbus.Error
	var network *net.OpError
	switch {
	case errors.As(err, &network):
		return fmt.Errorf("%w: the session bus cannot be reached: %w", ErrNoKeyring, network.Err)
	case !errors.As(err, &answer):
		return fmt.Errorf("%w: the session bus cannot be used: %w", ErrNoKeyring, err)
	case answer.Name == errServiceUnknown, answer.Name == errNameHasNoOwner, strings.HasPrefix(answer.Name, errSpawn):
		return errNoService
	}
	return answer
}
