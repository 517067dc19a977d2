package credential

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

// A fakeRing is a Secret Service that misbehaves as no real one can be brought
// to. It has one item at most.
type fakeRing struct {
	conn *dbus.Conn

	mu   sync.Mutex
	item []byte

	locked   bool
	changes  bool          // or else they are answered with a prompt, and not made
	hold     chan struct{} // that changes wait for, if not nil
	complete []any         // the body of the signal that ends a prompt; nil: there is none
}

const (
	fakeItem   = loginPath + "/1"
	fakePrompt = dbus.ObjectPath("/org/freedesktop/secrets/prompt/1")
)

type fakeSecret struct {
	Session           dbus.ObjectPath
	Parameters, Value []byte
	Type              string
}

func (f *fakeRing) start() error {
	conn, err := dbus.ConnectSessionBus()
	if err != nil {
		return err
	}
	f.conn = conn
	_, collections := prop.Export(conn, secretsPath, prop.Map{serviceInterface: {"Collections": {Value: []dbus.ObjectPath{loginPath}}}})
	_, locked := prop.Export(conn, loginPath, prop.Map{"org.freedesktop.Secret.Collection": {"Locked": {Value: f.locked}}})
	reply, name := conn.RequestName(secretsName, dbus.NameFlagDoNotQueue)
	return errors.Join(collections, locked, name,
		expect(reply == dbus.RequestNameReplyPrimaryOwner, "the bus has a keyring already"),
		conn.Export(fakeService{f}, secretsPath, serviceInterface),
		conn.Export(fakeCollection{f}, loginPath, "org.freedesktop.Secret.Collection"),
		conn.Export(fakeEntry{f}, fakeItem, "org.freedesktop.Secret.Item"),
		conn.Export(f, fakePrompt, "org.freedesktop.Secret.Prompt"),
	)
}

// Prompt is the method of a prompt.
func (f *fakeRing) Prompt(string) *dbus.Error {
	if f.complete != nil {
		f.conn.Emit(fakePrompt, "org.freedesktop.Secret.Prompt.Completed", f.complete...)
	}
	return nil
}

// change makes item what there is, or answers with a prompt.
func (f *fakeRing) change(item []byte) (prompt dbus.ObjectPath) {
	if f.hold != nil {
		<-f.hold
	}
	if !f.changes {
		return fakePrompt
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.item = item
	return noSuchObject
}

type fakeService struct{ *fakeRing }

func (f fakeService) OpenSession(string, dbus.Variant) (dbus.Variant, dbus.ObjectPath, *dbus.Error) {
	return dbus.MakeVariant(""), "/org/freedesktop/secrets/session/1", nil
}

func (f fakeService) Unlock(objects []dbus.ObjectPath) ([]dbus.ObjectPath, dbus.ObjectPath, *dbus.Error) {
	if f.locked {
		return nil, fakePrompt, nil
	}
	return objects, noSuchObject, nil
}

type fakeCollection struct{ *fakeRing }

func (f fakeCollection) SearchItems(map[string]string) ([]dbus.ObjectPath, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.item == nil {
		return nil, nil
	}
	return []dbus.ObjectPath{fakeItem}, nil
}

func (f fakeCollection) CreateItem(_ map[string]dbus.Variant, s fakeSecret, _ bool) (item, prompt dbus.ObjectPath, _ *dbus.Error) {
	return noSuchObject, f.change(s.Value), nil
}

type fakeEntry struct{ *fakeRing }

func (f fakeEntry) GetSecret(session dbus.ObjectPath) (fakeSecret, *dbus.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fakeSecret{Session: session, Value: f.item, Type: "text/plain"}, nil
}

func (f fakeEntry) Delete() (prompt dbus.ObjectPath, _ *dbus.Error) { return f.change(nil), nil }

func init() {
	ring, entry := Keyring{Getenv: os.Getenv}, Entry{Key: "sk-new", Host: DefaultHost}
	scenarios["dismissed"] = func(ctx context.Context) error {
		fake := &fakeRing{item: []byte("sk-old"), complete: []any{true, dbus.MakeVariant("")}}
		if err := fake.start(); err != nil {
			return err
		}
		set, remove := ring.Set(ctx, "default", entry), ring.Delete(ctx, "default")
		got, err := ring.Get(ctx, "default")
		return errors.Join(err,
			expect(errors.Is(set, errUnchanged), "set: %v", set),
			expect(errors.Is(remove, errUnchanged), "delete: %v", remove),
			expect(got.Key == "sk-old", "left: %q", got.Key),
		)
	}
	scenarios["late"] = func(ctx context.Context) error {
		fake := &fakeRing{item: []byte("sk-old"), changes: true, hold: make(chan struct{})}
		if err := fake.start(); err != nil {
			return err
		}
		set := ring.Set(ctx, "default", entry)
		got, err := ring.Get(ctx, "default")
		close(fake.hold)
		for got.Key != "sk-new" && err == nil {
			if got, err = ring.Get(ctx, "default"); err == nil {
				err = ctx.Err()
			}
		}
		return errors.Join(err, expect(errors.As(set, new(*UnknownError)) && errors.Is(set, errNoAnswer), "set: %v", set))
	}
	scenarios["garbled"] = func(ctx context.Context) error {
		fake := &fakeRing{item: []byte("sk-old"), complete: []any{"yes", "no"}}
		if err := fake.start(); err != nil {
			return err
		}
		remove := ring.Delete(ctx, "default")
		return expect(errors.As(remove, new(*UnknownError)) && errors.Is(remove, errGarbled), "delete: %v", remove)
	}
	scenarios["bus ends under a prompt"] = func(ctx context.Context) error {
		fake := &fakeRing{locked: true}
		if err := fake.start(); err != nil {
			return err
		}
		ring.Get(ctx, "default") // which gives up
		prompted := func() bool {
			all := make([]byte, 1<<20)
			return strings.Contains(string(all[:runtime.Stack(all, true)]), "handlePrompt")
		}
		for !prompted() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		conn, err := dbus.SessionBus() // go-keyring's
		if err == nil {
			err = conn.Close()
		}
		for prompted() && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
		return errors.Join(err, ctx.Err())
	}
}

// A prompt that was dismissed has changed nothing, and that is no success.
func TestDismissedPrompt(t *testing.T) { newSession(t).run("dismissed") }

// What got no answer in time may be done all the same.
func TestLateAnswer(t *testing.T) { newSession(t).run("late") }

// A panic of go-keyring ends no run, also long after it was given up.
func TestPanicsOfTheLibrary(t *testing.T) {
	for _, scenario := range []string{"garbled", "bus ends under a prompt"} {
		t.Run(scenario, func(t *testing.T) { newSession(t).run(scenario) })
	}
}
