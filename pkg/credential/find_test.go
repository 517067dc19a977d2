package credential

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// environment is what a command would hand over as its Getenv.
func environment(variables ...string) func(string) string {
	return func(name string) string {
		for _, v := range variables {
			if value, ok := strings.CutPrefix(v, name+"="); ok {
				return value
			}
		}
		return ""
	}
}

// write makes a file of mode 0600 in a folder that it makes too.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// full is a machine on which every source but the keyring has a key.
func full(t *testing.T) Query {
	credentials := t.TempDir()
	write(t, filepath.Join(credentials, "openai-api-key"), "sk-systemd\n")
	config := t.TempDir()
	write(t, filepath.Join(config, "keys", "default"), "sk-file\n")
	write(t, filepath.Join(config, "keys", "work"), "sk-work\n")
	return Query{
		Host:      DefaultHost,
		Command:   "echo sk-command",
		Getenv:    environment("OPENAI_API_KEY=sk-environment", "CREDENTIALS_DIRECTORY="+credentials),
		ConfigDir: config,
	}
}

func TestFirstSourceWins(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Query)
		want   Key
	}{
		{"all", func(*Query) {}, Key{Secret: "sk-command", Source: "--key-command"}},
		{"no command", func(q *Query) { q.Command = "" }, Key{Secret: "sk-environment", Source: "$OPENAI_API_KEY"}},
		{"named profile", func(q *Query) { q.Command, q.Named = "", true },
			Key{Secret: "sk-systemd", Source: "$CREDENTIALS_DIRECTORY/openai-api-key"}},
		{"no environment", func(q *Query) { q.Command, q.Getenv = "", environment() }, Key{Secret: "sk-file", Source: "keys/default"}},
		{"another profile", func(q *Query) {
			q.Command, q.Getenv, q.Profile, q.Named = "", environment(), "work", true
		}, Key{Secret: "sk-work", Source: "keys/work"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q := full(t)
			test.change(&q)
			got, err := Find(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			got.Source = strings.TrimPrefix(got.Source, q.ConfigDir+"/")
			if got.Secret != test.want.Secret || got.Source != test.want.Source {
				t.Errorf("got %q from %s, want %q from %s", got.Secret, got.Source, test.want.Secret, test.want.Source)
			}
		})
	}
}

func TestReasonsStandInOrder(t *testing.T) {
	config := t.TempDir()
	_, err := Find(t.Context(), Query{Host: "api.example.com", Getenv: environment(), ConfigDir: config})
	var none *NotFoundError
	if !errors.As(err, &none) {
		t.Fatalf("got %v", err)
	}
	var got strings.Builder
	for _, a := range none.Attempts {
		fmt.Fprintf(&got, "%s: %v\n", strings.Replace(a.Source, config, "CONFIG", 1), a.Err)
	}
	want := `--key-command: not given
$OPENAI_API_KEY: not set
$CREDENTIALS_DIRECTORY/openai-api-key: not set
keyring: no keyring: no session bus ($DBUS_SESSION_BUS_ADDRESS is not set, and there is no $XDG_RUNTIME_DIR/bus)
CONFIG/keys/default: no entry for this profile
`
	if got.String() != want {
		t.Errorf("reasons:\n%swant:\n%s", got.String(), want)
	}
	if !strings.Contains(err.Error(), "no key for api.example.com (profile default)") {
		t.Errorf("message: %v", err)
	}
}

func TestTraceAsksBehindTheWinner(t *testing.T) {
	q := full(t)
	key, attempts, err := Trace(t.Context(), q)
	if err != nil || key.Secret != "sk-command" {
		t.Fatalf("got %v, %v", key, err)
	}
	var held []string
	for _, a := range attempts {
		held = append(held, a.Entry.Key)
	}
	want := []string{"sk-command", "sk-environment", "sk-systemd", "", "sk-file"}
	if strings.Join(held, " ") != strings.Join(want, " ") {
		t.Errorf("held %q, want %q", held, want)
	}
}

// What was set up to be used and is no key must not lead to another account's
// key further down.
func TestWhatIsNoKeyEndsTheSearch(t *testing.T) {
	q := full(t)
	q.Command, q.Getenv = "", environment("OPENAI_API_KEY=sk-two words")
	_, err := Find(t.Context(), q)
	var source *SourceError
	var invalid *InvalidError
	if !errors.As(err, &source) || source.Source != "$OPENAI_API_KEY" || !errors.As(err, &invalid) {
		t.Fatalf("got %v", err)
	}
	if strings.Contains(err.Error(), "two words") {
		t.Errorf("the text is repeated: %v", err)
	}
	_, attempts, err := Trace(t.Context(), q)
	if !errors.As(err, &source) || len(attempts) != 5 {
		t.Errorf("trace: %d attempts, %v", len(attempts), err)
	}
}

func TestStoredKeyGoesToItsHostOnly(t *testing.T) {
	ctx := t.Context()
	config := t.TempDir()
	files := Files{ConfigDir: config}
	if err := files.Set(ctx, "default", Entry{Key: "sk-bound", Host: "api.openai.com", Set: time.Now()}); err != nil {
		t.Fatal(err)
	}
	write(t, files.Path("hand"), "sk-hand\n")
	for _, profile := range []string{"default", "hand"} {
		q := Query{Profile: profile, Host: "api.openai.com", Getenv: environment(), ConfigDir: config}
		if key, err := Find(ctx, q); err != nil {
			t.Errorf("%s: %v, %v", profile, key, err)
		}
		for _, hostile := range []string{
			"https://evil.example/v1", "https://api.openai.com@evil.example/v1", "https://api.openai.com.evil.example/v1",
			"https://api.openai.com:8443/v1", "http://api.openai.com/v1", "http://api.openai.com:443/v1", "unix:///api.openai.com",
		} {
			host, err := HostOf(hostile)
			if err != nil {
				t.Fatal(err)
			}
			q.Host = host
			key, err := Find(ctx, q)
			var none *NotFoundError
			if !errors.As(err, &none) || key != (Key{}) {
				t.Errorf("%s for %s: %q, %v", profile, hostile, key.Secret, err)
				continue
			}
			var bound *BoundError
			if !errors.As(none.Attempts[4].Err, &bound) || bound.Host != "api.openai.com" {
				t.Errorf("%s for %s: reason %v", profile, hostile, none.Attempts[4].Err)
			}
		}
	}
}

func TestKeyCommand(t *testing.T) {
	long := strings.Repeat("k", maxKey)
	tests := []struct {
		name, command, want string
		err                 string // part of the message
		stderr              string
	}{
		{"first line", "echo sk-one; echo two", "sk-one", "", ""},
		{"no newline", "printf sk-one", "sk-one", "", ""},
		{"carriage return", `printf 'sk-one\r\n'`, "sk-one", "", ""},
		{"stderr goes to the user", "echo careful >&2; echo sk-one", "sk-one", "", "careful\n"},
		{"has no stdin", "cat; echo sk-one", "sk-one", "", ""},
		{"longest", "echo " + long, long, "", ""},
		{"more than is kept", "yes sk-one | head -n 100000", "sk-one", "", ""},
		{"leaves an agent behind", "sleep 3 & echo sk-one", "sk-one", "", ""},
		{"fails", "echo sk-one; echo no >&2; exit 7", "", "exit status 7", "no\n"},
		{"fails with only stderr", "echo sk-stderr >&2; exit 1", "", "exit status 1", "sk-stderr\n"},
		{"prints nothing", "true", "", "it printed nothing", ""},
		{"prints to stderr alone", "echo sk-one >&2", "", "it printed nothing", "sk-one\n"},
		{"empty first line", "echo; echo sk-two", "", "the first line it printed is empty", ""},
		{"prose", "echo no such entry", "", "white space", ""},
		{"no end of line", "cat /dev/zero | tr '\\000' k", "", "more than 64 KiB without an end of line", ""},
		{"too long", "echo " + long + "k", "", "longer than 4096 bytes", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			q := full(t)
			var stderr bytes.Buffer
			q.Command, q.Stderr = test.command, &stderr
			key, err := Find(t.Context(), q)
			if key.Secret != test.want {
				t.Errorf("key %q, want %q", key.Secret, test.want)
			}
			if stderr.String() != test.stderr {
				t.Errorf("stderr %q, want %q", stderr.String(), test.stderr)
			}
			var source *SourceError
			switch {
			case test.err == "" && err != nil:
				t.Error(err)
			case test.err != "" && (!errors.As(err, &source) || !strings.Contains(err.Error(), test.err)):
				t.Errorf("error %v, want one about %q", err, test.err)
			case test.err != "" && strings.Contains(err.Error(), "sk-one"):
				t.Errorf("the error repeats what was printed: %v", err)
			}
		})
	}
}

// A command that does not end is ended, and what it has printed counts; that it
// is waited for is told meanwhile.
func TestKeyCommandThatGoesOn(t *testing.T) {
	for _, text := range []string{"yes sk-one", "echo sk-one; exec sleep 60", "echo sk-one; echo two; sleep 5"} {
		told := make(chan bool, 1)
		line, err := command{text: text, grace: 50 * time.Millisecond, quiet: time.Microsecond, waiting: func() { told <- true }}.firstLine(t.Context())
		if line != "sk-one" || err != nil {
			t.Errorf("%s: %q, %v", text, line, err)
		}
		<-told
	}
	line, err := command{text: "yes sk-one | head -n 1", grace: time.Minute, quiet: time.Minute,
		waiting: func() { t.Error("told that a quick command is waited for") }}.firstLine(t.Context())
	if line != "sk-one" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
}

func TestKeyCommandEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	q := full(t)
	q.Command = "exec sleep 60"
	done := make(chan error)
	go func() {
		_, err := Find(ctx, q)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPrintingShowsNoSecret(t *testing.T) {
	key := Key{Secret: "sk-secret-value", Source: "keyring"}
	entry := Entry{Key: "sk-secret-value", Host: "api.openai.com"}
	for _, v := range []any{key, &key, entry, &entry, Attempt{"keyring", entry, nil}, []Key{key}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "secret-value") {
				t.Errorf("%s of %T: %s", verb, v, got)
			}
		}
	}
}

func TestCredentialsDirectory(t *testing.T) {
	empty := t.TempDir()
	broken := t.TempDir()
	write(t, filepath.Join(broken, "openai-api-key"), "\n")
	q := Query{Host: DefaultHost, Getenv: environment("CREDENTIALS_DIRECTORY=" + empty), ConfigDir: t.TempDir()}
	_, err := Find(t.Context(), q)
	var none *NotFoundError
	if !errors.As(err, &none) || none.Attempts[2].Err.Error() != "no such file or directory" {
		t.Errorf("without the file: %v", err)
	}
	q.Getenv = environment("CREDENTIALS_DIRECTORY=" + broken)
	_, err = Find(t.Context(), q)
	var invalid *InvalidError
	if !errors.As(err, &invalid) {
		t.Errorf("with an empty one: %v", err)
	}
	fifo := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(fifo, "openai-api-key"), 0o600); err != nil {
		t.Fatal(err)
	}
	q.Getenv = environment("CREDENTIALS_DIRECTORY=" + fifo)
	_, err = Find(t.Context(), q)
	if !errors.As(err, &none) || none.Attempts[2].Err != errNotRegular {
		t.Errorf("with a FIFO: %v", err)
	}
}
