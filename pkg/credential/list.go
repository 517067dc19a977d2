package credential

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/godbus/dbus/v5"
)

// A Stored is what a store has for one profile: an entry, or Err says why it
// cannot be read. The Profile is "" where its name is locked away too, as
// gnome-keyring does.
type Stored struct {
	Profile string
	Entry   Entry
	Err     error
}

// List answers what there is, by profile.
func (f Files) List(ctx context.Context) ([]Stored, error) {
	if f.ConfigDir == "" {
		return nil, errNoConfigDir
	}
	files, err := os.ReadDir(filepath.Dir(f.Path(DefaultProfile)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []Stored
	for _, file := range files {
		if profile := file.Name(); CheckProfile(profile) == nil { // others are temporary, or not ours
			entry, err := f.Get(ctx, profile)
			all = append(all, Stored{profile, entry, err})
		}
	}
	return all, nil
}

// List answers what there is, by profile. Nobody is asked to unlock anything:
// what is locked has the error ErrLocked.
func (k Keyring) List(ctx context.Context) ([]Stored, error) {
	var all []Stored
	err := k.within(ctx, func(ctx context.Context, address string) (err error) {
		c, err := openCollection(ctx, address)
		if err != nil {
			return err
		}
		defer c.conn.Close()
		all, err = c.list(ctx)
		return err
	})
	if err != nil {
		return nil, err // all may still change
	}
	return all, nil
}

func (c *collection) list(ctx context.Context) ([]Stored, error) {
	// Asked itself, a collection that is locked does not find anything.
	secrets := c.conn.Object(secretsName, secretsPath)
	var items, locked []dbus.ObjectPath
	search := map[string]string{"service": service}
	if err := secrets.CallWithContext(ctx, serviceInterface+".SearchItems", 0, search).Store(&items, &locked); err != nil {
		return nil, inPlainWords(err)
	}
	var session dbus.ObjectPath
	err := secrets.CallWithContext(ctx, serviceInterface+".OpenSession", 0, "plain", dbus.MakeVariant("")).
		Store(new(dbus.Variant), &session)
	if err != nil {
		return nil, inPlainWords(err)
	}
	var all []Stored
	for i, item := range append(items, locked...) {
		if !strings.HasPrefix(string(item), string(c.path)+"/") {
			continue // of another keyring, which is not asked for keys
		}
		object := c.conn.Object(secretsName, item)
		var attributes map[string]string
		if err := object.StoreProperty(itemAttributes, &attributes); err != nil {
			return nil, inPlainWords(err)
		}
		one := Stored{Profile: attributes["username"], Err: ErrLocked}
		if i < len(items) {
			one.Entry, one.Err = read(ctx, object, session)
		}
		if CheckProfile(one.Profile) == nil || one.Profile == "" && one.Err == ErrLocked {
			all = append(all, one)
		}
	}
	slices.SortFunc(all, func(a, b Stored) int { return cmp.Compare(a.Profile, b.Profile) })
	return all, nil
}

func read(ctx context.Context, item dbus.BusObject, session dbus.ObjectPath) (Entry, error) {
	var secret struct {
		Session           dbus.ObjectPath
		Parameters, Value []byte
		Type              string
	}
	if err := item.CallWithContext(ctx, itemSecret, 0, session).Store(&secret); err != nil {
		return Entry{}, inPlainWords(err)
	}
	return decodeEntry(string(secret.Value))
}
