package credential

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zalando/go-keyring"
)

// The scenarios run in a process of their own, inside a session bus: what they
// meet there is the real thing, and go-keyring keeps one connection a process.
var scenarios = map[string]func(context.Context) error{
	"store": func(ctx context.Context) error {
		return errors.Join(
			startKeyring(),
			Keyring{Getenv: os.Getenv}.Set(ctx, "default", Entry{Key: "sk-stored", Host: DefaultHost}),
		)
	},
	"unlocked": unlocked,
	"runtime dir": func(ctx context.Context) error {
		if err := startKeyring(); err != nil {
			return err
		}
		// The bus is to be found by its socket alone.
		path, ok := strings.CutPrefix(strings.Split(os.Getenv("DBUS_SESSION_BUS_ADDRESS"), ",")[0], "unix:path=")
		if !ok {
			return fmt.Errorf("address %s", os.Getenv("DBUS_SESSION_BUS_ADDRESS"))
		}
		dir := os.Getenv("XDG_RUNTIME_DIR")
		if err := errors.Join(os.Symlink(path, filepath.Join(dir, "bus")), os.Unsetenv("DBUS_SESSION_BUS_ADDRESS")); err != nil {
			return err
		}
		k := Keyring{Getenv: environment("XDG_RUNTIME_DIR=" + dir)}
		if err := k.Set(ctx, "default", Entry{Key: "sk-one", Host: DefaultHost}); err != nil {
			return err
		}
		got, err := k.Get(ctx, "default")
		return expect(got.Key == "sk-one" && err == nil, "got %q, %v", got.Key, err)
	},
	"locked":        fails(ErrLocked),
	"list":          list,
	"list locked":   listLocked,
	"no service":    fails(errNoService),
	"no collection": fails(errNoCollection),
}

func expect(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// fails expects Set to fail with want, and Find to give it as reason.
func fails(want error) func(context.Context) error {
	return func(ctx context.Context) error {
		set := Keyring{Getenv: os.Getenv}.Set(ctx, "default", Entry{Key: "sk-one", Host: DefaultHost})
		_, find := Find(ctx, Query{Host: DefaultHost, Getenv: os.Getenv, ConfigDir: os.Getenv("HOME")})
		var none *NotFoundError
		reason := find
		if errors.As(find, &none) {
			reason = none.Attempts[3].Err
		}
		return errors.Join(
			expect(errors.Is(set, want), "set: %v", set),
			expect(errors.Is(reason, want), "find: %v", find),
		)
	}
}

func unlocked(ctx context.Context) error {
	if err := startKeyring(); err != nil {
		return err
	}
	k := Keyring{Getenv: os.Getenv}
	_, nothing := k.Get(ctx, "default")
	deleteNothing := k.Delete(ctx, "default")
	want := Entry{Key: "sk-one", Host: "api.example.com:8443", Set: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	before := want
	before.Key = "sk-zero"
	set := errors.Join(k.Set(ctx, "default", before), k.Set(ctx, "default", want))
	got, get := k.Get(ctx, "default")

	q := Query{Host: want.Host, Getenv: os.Getenv, ConfigDir: os.Getenv("HOME")}
	key, find := Find(ctx, q)
	q.Profile, q.Named = "work", true
	_, otherProfile := Find(ctx, q)
	q.Profile, q.Host = "default", "evil.example"
	_, otherHost := Find(ctx, q)
	var none *NotFoundError
	var bound *BoundError
	if errors.As(otherHost, &none) {
		errors.As(none.Attempts[3].Err, &bound)
	}

	// Made with another program: secret-tool store service gptpipe username hand
	byHand := keyring.Set(service, "hand", "sk-hand")
	hand, getHand := k.Get(ctx, "hand")
	nonsense := keyring.Set(service, "nonsense", "{}")
	_, getNonsense := k.Get(ctx, "nonsense")
	var invalid *InvalidError

	remove := k.Delete(ctx, "default")
	_, afterwards := k.Get(ctx, "default")
	return errors.Join(
		set, get, find, byHand, getHand, nonsense, remove,
		expect(errors.Is(nothing, ErrNoEntry), "get of nothing: %v", nothing),
		expect(errors.Is(deleteNothing, ErrNoEntry), "delete of nothing: %v", deleteNothing),
		expect(got == want, "get: %#v with key %q, set %v", got, got.Key, got.Set),
		expect(key.Secret == "sk-one" && key.Source == "keyring" && !key.Token, "find: %q from %s", key.Secret, key.Source),
		expect(errors.As(otherProfile, new(*NotFoundError)), "another profile: %v", otherProfile),
		expect(bound != nil && bound.Host == want.Host, "another host: %v", otherHost),
		expect(hand == Entry{Key: "sk-hand", Host: DefaultHost}, "by hand: %#v", hand),
		expect(errors.As(getNonsense, &invalid), "nonsense: %v", getNonsense),
		expect(errors.Is(afterwards, ErrNoEntry), "after delete: %v", afterwards),
	)
}

func list(ctx context.Context) error {
	if err := startKeyring(); err != nil {
		return err
	}
	k := Keyring{Getenv: os.Getenv}
	none, nothing := k.List(ctx)
	one, two := Entry{Key: "sk-one", Host: "one.example"}, Entry{Key: "sk-two", Host: "two.example"}
	stored := errors.Join(
		k.Set(ctx, "b", two), k.Set(ctx, "a", one),
		keyring.Set(service, "nonsense", "{}"),
		keyring.Set(service, "../x", "not ours"),
		keyring.Set("other", "c", "another program's"),
	)
	all, err := k.List(ctx)
	var invalid *InvalidError
	return errors.Join(
		nothing, stored, err,
		expect(len(none) == 0, "of nothing: %v", none),
		expect(len(all) == 3 && all[0] == Stored{"a", one, nil} && all[1] == Stored{"b", two, nil} &&
			all[2].Profile == "nonsense" && errors.As(all[2].Err, &invalid), "list: %v", all),
	)
}

func listLocked(ctx context.Context) error {
	began := time.Now()
	all, err := Keyring{Getenv: os.Getenv}.List(ctx)
	_, get := Keyring{Getenv: os.Getenv, Silent: true}.Get(ctx, "default")
	return errors.Join(err,
		expect(len(all) == 1 && all[0] == Stored{Err: ErrLocked}, "list: %v", all),
		expect(errors.Is(get, ErrLocked), "get: %v", get),
		expect(time.Since(began) < keyringPatience, "it took %v", time.Since(began)),
	)
}

func TestUnlockedKeyring(t *testing.T)      { newSession(t).run("unlocked") }
func TestListOfKeyring(t *testing.T)        { newSession(t).run("list") }
func TestBusFoundInRuntimeDir(t *testing.T) { newSession(t).run("runtime dir") }

func TestLockedKeyring(t *testing.T) {
	t.Run("prompt cannot be shown", func(t *testing.T) {
		s := newSession(t)
		s.run("store")
		s.run("locked")
	})
	t.Run("prompt is not answered", func(t *testing.T) {
		s := newSession(t)
		s.run("store")
		s.run("list locked")
		// The prompter waits until the test is over.
		pipe := filepath.Join(s.home, "pipe")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		open, err := os.OpenFile(pipe, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		s.services(map[string]string{
			"org.freedesktop.secrets":          "/usr/bin/gnome-keyring-daemon --start --foreground --components=secrets",
			"org.gnome.keyring.SystemPrompter": "/bin/cat " + pipe,
		})
		s.run("locked")
	})
}

func TestNoService(t *testing.T) {
	s := newSession(t)
	s.services(nil)
	s.run("no service")
}

func TestServiceThatCannotStart(t *testing.T) {
	s := newSession(t)
	s.services(map[string]string{"org.freedesktop.secrets": "/bin/false"})
	s.run("no service")
}

func TestNoDefaultCollection(t *testing.T) { newSession(t).run("no collection") }

func TestNoBus(t *testing.T) {
	for _, variables := range [][]string{
		nil,
		{"XDG_RUNTIME_DIR=" + t.TempDir()},
		{"DBUS_SESSION_BUS_ADDRESS=autolaunch:"},
	} {
		_, err := Keyring{Getenv: environment(variables...)}.Get(t.Context(), "default")
		if !errors.Is(err, ErrNoKeyring) || !errors.Is(err, errNoBus) {
			t.Errorf("%q: %v", variables, err)
		}
	}
}

func TestUnusableBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "") // put back afterwards
	for address, want := range map[string]string{
		"unix:path=" + t.TempDir() + "/none":        "no such file or directory",
		"nonsense":                                  "not on a unix socket",
		"tcp:host=127.0.0.1,port=1":                 "not on a unix socket",
		"unix:path=/none;tcp:host=127.0.0.1,port=1": "not on a unix socket",
	} {
		_, err := Keyring{Getenv: environment("DBUS_SESSION_BUS_ADDRESS=" + address)}.Get(t.Context(), "default")
		if !errors.Is(err, ErrNoKeyring) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// All processes that reach one keyring go by one lock.
func TestLockOfTheKeyring(t *testing.T) {
	home, state := t.TempDir(), t.TempDir()
	one := Keyring{Getenv: environment("HOME=" + home), StateDir: state}.lockPath("default")
	other := Keyring{Getenv: environment("HOME=" + home), StateDir: t.TempDir()}.lockPath("default")
	if want := filepath.Join(home, ".local/state/gptpipe/login/default.lock"); one != want || other != want {
		t.Errorf("got %s and %s", one, other)
	}
	homeless := Keyring{Getenv: environment(), StateDir: state}
	lock, err := Lock(t.Context(), homeless, "default")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if info, err := os.Stat(filepath.Join(state, "login/default.lock")); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	homeless.StateDir = ""
	if _, err := Lock(t.Context(), homeless, "default"); !errors.Is(err, ErrNoStateDir) {
		t.Errorf("got %v", err)
	}
}

func TestSilentBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	socket := filepath.Join(t.TempDir(), "bus")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	k := Keyring{Getenv: environment("DBUS_SESSION_BUS_ADDRESS=unix:path=" + socket)}
	if _, err := k.Get(t.Context(), "default"); !errors.Is(err, errNoAnswer) {
		t.Errorf("get: %v", err)
	}
	if _, err := k.List(t.Context()); !errors.Is(err, errNoAnswer) {
		t.Errorf("list: %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- k.Delete(ctx, "default") }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
}

// A bus that takes no more callers is none that is missing: a key may be behind
// it.
func TestBusyBus(t *testing.T) {
	t.Setenv("DBUS_SESSION_BUS_ADDRESS", "")
	socket := filepath.Join(t.TempDir(), "bus")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: socket})
	}
	if err == nil {
		err = syscall.Listen(fd, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	for range 100 {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			break
		}
		defer conn.Close()
	}
	k := Keyring{Getenv: environment("DBUS_SESSION_BUS_ADDRESS=unix:path=" + socket)}
	if err := k.Delete(t.Context(), "default"); !errors.Is(err, errNoAnswer) || errors.Is(err, ErrNoKeyring) {
		t.Errorf("delete: %v", err)
	}
}
