package credential

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/godbus/dbus/v5"
)

// escapeAddress writes a path as a value of a bus address.
var escapeAddress = dbus.EscapeBusAddressValue

// The Secret Service API of freedesktop.org, as far as it is needed for what
// go-keyring does not do: to see whether the keyring that it takes is locked,
// and to list what is in it.
const (
	secretsName       = "org.freedesktop.secrets"
	secretsPath       = dbus.ObjectPath("/org/freedesktop/secrets")
	loginPath         = dbus.ObjectPath("/org/freedesktop/secrets/collection/login")
	serviceInterface  = "org.freedesktop.Secret.Service"
	collectionLocked  = "org.freedesktop.Secret.Collection.Locked"
	itemAttributes    = "org.freedesktop.Secret.Item.Attributes"
	itemSecret        = "org.freedesktop.Secret.Item.GetSecret"
	noSuchObject      = dbus.ObjectPath("/")
	errSpawn          = "org.freedesktop.DBus.Error.Spawn."
	errServiceUnknown = "org.freedesktop.DBus.Error.ServiceUnknown"
	errNameHasNoOwner = "org.freedesktop.DBus.Error.NameHasNoOwner"
	errNoReply        = "org.freedesktop.DBus.Error.NoReply"
)

// A collection is the keyring that go-keyring takes.
type collection struct {
	conn   *dbus.Conn // to be closed
	path   dbus.ObjectPath
	locked bool
}

// openCollection finds the keyring, or why there is none to be reached at
// address.
func openCollection(ctx context.Context, address string) (*collection, error) {
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return nil, inPlainWords(err)
	}
	c := &collection{conn: conn, path: loginPath}
	if err := c.find(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *collection) find(ctx context.Context) error {
	secrets := c.conn.Object(secretsName, secretsPath)
	var collections []dbus.ObjectPath
	if err := secrets.StoreProperty(serviceInterface+".Collections", &collections); err != nil {
		return inPlainWords(err)
	}
	if !slices.Contains(collections, loginPath) {
		err := secrets.CallWithContext(ctx, serviceInterface+".ReadAlias", 0, "default").Store(&c.path)
		switch {
		case err != nil:
			return inPlainWords(err)
		case c.path == noSuchObject:
			return errNoCollection
		}
	}
	if err := c.conn.Object(secretsName, c.path).StoreProperty(collectionLocked, &c.locked); err != nil {
		return inPlainWords(err)
	}
	return nil
}

// probe reports whether the keyring is locked, or why there is none.
func probe(ctx context.Context, address string) (locked bool, err error) {
	c, err := openCollection(ctx, address)
	if err != nil {
		return false, err
	}
	defer c.conn.Close()
	return c.locked, nil
}

func inPlainWords(err error) error {
	var answer dbus.Error
	var network *net.OpError
	switch {
	case errors.Is(err, syscall.EAGAIN): // so many wait for the bus already that one more may not
		return errNoAnswer
	case errors.As(err, &network):
		return fmt.Errorf("%w: the session bus cannot be reached: %w", ErrNoKeyring, network.Err)
	case !errors.As(err, &answer):
		return fmt.Errorf("%w: the session bus cannot be used: %w", ErrNoKeyring, err)
	case answer.Name == errServiceUnknown, answer.Name == errNameHasNoOwner, strings.HasPrefix(answer.Name, errSpawn):
		return errNoService
	}
	return answer
}
