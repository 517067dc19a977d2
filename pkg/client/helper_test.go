package client

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/redact"
)

// A user is somebody's environment, configuration and command line.
type user struct {
	args  []string
	env   map[string]string
	files map[string]string // under the folder of the configuration
}

// home makes the user's folder and environment, and returns the folder.
func (u user) home(t *testing.T) string {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		for _, prefix := range []string{"GPT_", "OPENAI_", "XDG_", "DBUS_", "CREDENTIALS_"} {
			if strings.HasPrefix(name, prefix) {
				t.Setenv(name, "")
			}
		}
	}
	home := t.TempDir()
	t.Setenv("HOME", home)
	for name, value := range u.env {
		t.Setenv(name, value)
	}
	for name, text := range u.files {
		path := filepath.Join(home, ".config", "gptpipe", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return home
}

func system() *cli.System {
	r := new(redact.Redactor)
	return &cli.System{Name: "gpt-test", Getenv: os.Getenv, Log: cli.NewLog("gpt-test", io.Discard, r), Redact: r, Stderr: os.Stderr}
}

func (u user) parse(t *testing.T) (*cli.Flags, *Flags, error) {
	t.Helper()
	flags, f := cli.NewFlags(), new(Flags)
	flags.SetOutput(io.Discard)
	f.Register(flags)
	_, err := flags.Parse(u.args)
	return flags, f, err
}

// plan reads the flags to the end, and what they mean.
func (u user) plan(t *testing.T) (*Flags, plan, error) {
	t.Helper()
	u.home(t)
	flags, f, err := u.parse(t)
	if err != nil {
		return f, plan{}, err
	}
	sys := system()
	if err := f.complete(sys, flags); err != nil {
		return f, plan{}, err
	}
	p, err := f.plan(sys)
	return f, p, err
}

// client makes a whole client, which lives as long as the test.
func (u user) client(t *testing.T) (*Client, error) {
	t.Helper()
	flags, f, err := u.parse(t)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	c, err := New(system(), &cli.Drain{Soft: ctx, Hard: ctx}, flags, f, Options{Jobs: 4})
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

// usage asserts that err is one of usage, and that it names what is wrong.
func usage(t *testing.T, err error, names string) {
	t.Helper()
	var e *cli.Error
	if !errors.As(err, &e) || cli.StatusOf(err) != cli.StatusUsage {
		t.Fatalf("error %v, want one of usage", err)
	}
	if !strings.Contains(err.Error(), names) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%q, want %q in one line", err, names)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
