package credential

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"gptpipe/pkg/oauth"
)

// issuer is a token endpoint: token N for the Nth request.
type issuer struct {
	*httptest.Server

	mu      sync.Mutex
	asked   int
	expires int // seconds
	status  int // if not 0, of all answers
}

func newIssuer(t *testing.T) *issuer {
	is := &issuer{expires: 3600}
	is.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is.mu.Lock()
		defer is.mu.Unlock()
		is.asked++
		w.Header().Set("Content-Type", "application/json")
		if is.status != 0 {
			w.WriteHeader(is.status)
			if is.status == http.StatusBadRequest {
				fmt.Fprint(w, `{"error":"invalid_grant","error_description":"it was revoked"}`)
			}
			return
		}
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":%d,"refresh_token":"refresh-%d"}`, is.asked, is.expires, is.asked)
	}))
	t.Cleanup(is.Close)
	return is
}

func (is *issuer) set(expires, status int) {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.expires, is.status = expires, status
}

func (is *issuer) count() int {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.asked
}

// live has a login that is good for so long, and notes the keys that it finds.
func live(t *testing.T, is *issuer, good time.Duration) (l *Live, q Query, found *[]string) {
	q = Query{Host: DefaultHost, Getenv: func(string) string { return "" }, ConfigDir: t.TempDir()}
	entry := Entry{Key: "token-0", Host: DefaultHost, OAuth: &Login{
		Provider: oauth.Provider{TokenURL: is.URL, ClientID: "c"}, Flow: FlowDevice, Refresh: "refresh-0", Expires: time.Now().Add(good),
	}}
	if err := (Files{q.ConfigDir}).Set(t.Context(), DefaultProfile, entry); err != nil {
		t.Fatal(err)
	}
	found = new([]string)
	l, err := Open(t.Context(), q, func(k Key) {
		if !k.Token {
			t.Errorf("%v is no token", k)
		}
		*found = append(*found, k.Secret)
	}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	return l, q, found
}

func secret(t *testing.T, l *Live, want string) {
	t.Helper()
	if got, err := l.Secret(t.Context()); got != want || err != nil {
		t.Errorf("%q, not %q; error %v", got, want, err)
	}
}

// A token that has expired, or is about to, is refreshed once however many ask, and one that is good is not.
func TestSecretIsRefreshedInTime(t *testing.T) {
	for _, good := range []time.Duration{-time.Hour, 0, time.Hour} {
		is := newIssuer(t)
		l, _, found := live(t, is, good)
		want, times := "token-1", 1
		if good > 0 {
			want, times = "token-0", 0
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() { secret(t, l, want) })
		}
		all.Wait()
		if is.count() != times || len(*found) != times+1 {
			t.Errorf("%v: refreshed %d times, keys %q", good, is.count(), *found)
		}
	}
}

// Processes with different folders of state share a login: they go by one lock.
func TestFoldersOfStateDoNotMatter(t *testing.T) {
	server := newTokenServer(t)
	_, files, _ := server.entry(t)
	q := Query{Host: "gw.example", Getenv: environment(), ConfigDir: files.ConfigDir}
	var both [2]*Live
	for i := range both {
		q.StateDir = t.TempDir()
		l, err := Open(t.Context(), q, func(Key) {}, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		both[i] = l
	}
	var all sync.WaitGroup
	for _, l := range both {
		all.Go(func() {
			if again, err := l.Replaced(t.Context(), "a0"); !again || err != nil {
				t.Error(again, err)
			}
			secret(t, l, "a1")
		})
	}
	all.Wait()
	if n := server.asked.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// What says that a login is not stored may quote it: the new tokens are known by
// then.
func TestTokensAreKnownBeforeTheyAreTold(t *testing.T) {
	server := newTokenServer(t)
	old, files, _ := server.entry(t)
	var known []string
	times := 0
	l := &Live{query: Query{ConfigDir: files.ConfigDir}, found: func(k Key) { known = k.Secrets() }, told: func(err error) {
		times++
		if !errors.As(err, new(*NotStoredError)) || !slices.Contains(known, "a1") || !slices.Contains(known, "r1") {
			t.Errorf("told %v, with %q known", err, known)
		}
	}}
	l.take(Key{Secret: "a0", Token: true, entry: old, store: &flawed{files, true}})
	if again, err := l.Replaced(t.Context(), "a0"); !again || err != nil || times != 1 {
		t.Errorf("%v, %v; told %d times", again, err, times)
	}
}

// Another process's lock is waited for no longer than an attempt may take, and
// once for all who ask meanwhile.
func TestLockIsWaitedForNoLongerThanAnAttempt(t *testing.T) {
	is := newIssuer(t)
	l, q, _ := live(t, is, -time.Hour)
	l.query.Timeout = 300 * time.Millisecond
	lock, err := Lock(t.Context(), Files{q.ConfigDir}, DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var waits sync.Map
	for i := range 20 {
		all.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = l.Secret(t.Context())
			} else {
				_, err = l.Replaced(t.Context(), "token-0")
			}
			var failed *RefreshError
			var busy *BusyError
			if !errors.As(err, &failed) || !failed.Temporary() || !errors.As(err, &busy) || busy.Waited != l.query.Timeout {
				t.Errorf("got %v", err)
			}
			waits.Store(err, true)
		})
	}
	all.Wait()
	n := 0
	waits.Range(func(any, any) bool { n++; return true })
	if n > 10 || is.count() != 0 {
		t.Errorf("waited %d times, one after the other", n)
	}
	lock.Close()
	secret(t, l, "token-1")
}

// Tokens of a few seconds are used for most of their time.
func TestShortTokens(t *testing.T) {
	is := newIssuer(t)
	is.set(30, 0)
	l, _, _ := live(t, is, -time.Hour)
	for range 5 {
		secret(t, l, "token-1")
	}
}

// A token that the server refuses is refreshed, once for all who were refused.
func TestRefusedTokenIsReplaced(t *testing.T) {
	is := newIssuer(t)
	l, q, found := live(t, is, time.Hour)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if again, err := l.Replaced(t.Context(), "token-0"); !again || err != nil {
				t.Error(again, err)
			}
		})
	}
	all.Wait()
	secret(t, l, "token-1")
	if is.count() != 1 || !slices.Equal(*found, []string{"token-0", "token-1"}) {
		t.Errorf("refreshed %d times, keys %q", is.count(), *found)
	}
	if stored, err := (Files{q.ConfigDir}).Get(t.Context(), DefaultProfile); err != nil || stored.Key != "token-1" || stored.OAuth.Refresh != "refresh-1" {
		t.Errorf("stored is %q, %v", stored.Key, err)
	}
}

// When the provider fails, what is left of the token's time is used; when the login has ended, that is said.
func TestProviderFails(t *testing.T) {
	is := newIssuer(t)
	is.set(0, http.StatusServiceUnavailable)
	l, _, _ := live(t, is, 30*time.Second) // of which the last 6 are early
	l.key.Load().due = time.Now()
	secret(t, l, "token-0")
	secret(t, l, "token-0")
	if is.count() != 1 {
		t.Errorf("asked %d times", is.count())
	}

	refused := func(temporary bool, status int) {
		t.Helper()
		is := newIssuer(t)
		is.set(0, status)
		l, _, _ := live(t, is, -time.Second)
		_, err := l.Secret(t.Context())
		var e *RefreshError
		if !errors.As(err, &e) || e.Temporary() != temporary || errors.Is(err, oauth.ErrEnded) == temporary {
			t.Errorf("status %d: %v", status, err)
		}
		if again, err := l.Replaced(t.Context(), "token-0"); again || !errors.As(err, &e) {
			t.Errorf("status %d: %v, %v", status, again, err)
		}
	}
	refused(true, http.StatusServiceUnavailable)
	refused(false, http.StatusBadRequest)
}

// A key that was set in place of the login, or by hand in the file, is found.
func TestRotatedKeyIsFound(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys", DefaultProfile)
	write := func(key string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(key+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("sk-one")
	q := Query{Host: DefaultHost, Getenv: func(string) string { return "" }, ConfigDir: dir}
	l, err := Open(t.Context(), q, func(Key) {}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	replaced := func(refused string, want bool) {
		t.Helper()
		if again, err := l.Replaced(t.Context(), refused); again != want || err != nil {
			t.Errorf("%v, error %v", again, err)
		}
	}
	secret(t, l, "sk-one")
	replaced("sk-one", false)
	write("sk-two")
	replaced("sk-one", false) // it was looked for: the run is ending
	replaced("sk-zero", true)
	secret(t, l, "sk-one")

	l, err = Open(t.Context(), q, func(Key) {}, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	write("sk-three")
	replaced("sk-two", true)
	secret(t, l, "sk-three")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	replaced("sk-three", false)
	secret(t, l, "sk-three")
}

// A login in whose place a key has been set.
func TestKeyInPlaceOfALogin(t *testing.T) {
	is := newIssuer(t)
	l, q, _ := live(t, is, time.Hour)
	l.found = func(Key) {}
	if err := (Files{q.ConfigDir}).Set(t.Context(), DefaultProfile, Entry{Key: "sk-new", Host: DefaultHost}); err != nil {
		t.Fatal(err)
	}
	if again, err := l.Replaced(t.Context(), "token-0"); !again || err != nil {
		t.Error(again, err)
	}
	secret(t, l, "sk-new")
	if is.count() != 0 || l.key.Load().Token {
		t.Errorf("asked %d times", is.count())
	}
}

// What nobody but the user can mend ends a run; what passes by itself does not.
func TestWhatEndsARun(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(path string, is *issuer) error
		want  bool // temporary
	}{
		{"others may read it", func(path string, _ *issuer) error { return os.Chmod(path, 0o640) }, false},
		{"no JSON", func(path string, _ *issuer) error { return os.WriteFile(path, []byte("{"), 0o600) }, false},
		{"gone", func(path string, _ *issuer) error { return os.Remove(path) }, false},
		{"refused", func(_ string, is *issuer) error { is.set(0, http.StatusUnauthorized); return nil }, false},
		{"no such page", func(_ string, is *issuer) error { is.set(0, http.StatusNotFound); return nil }, false},
		{"overloaded", func(_ string, is *issuer) error { is.set(0, http.StatusTooManyRequests); return nil }, true},
		{"not there", func(_ string, is *issuer) error { is.Close(); return nil }, true},
		{"not trusted", func(path string, is *issuer) error {
			impostor := httptest.NewUnstartedServer(nil)
			impostor.Config.ErrorLog = log.New(io.Discard, "", 0)
			impostor.StartTLS()
			t.Cleanup(impostor.Close)
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(path, bytes.ReplaceAll(text, []byte(is.URL), []byte(impostor.URL)), 0o600)
		}, false},
	}
	for _, test := range tests {
		is := newIssuer(t)
		l, q, _ := live(t, is, -time.Second)
		if err := test.spoil((Files{q.ConfigDir}).Path(DefaultProfile), is); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second time, of what is kept of the first
			_, err := l.Secret(t.Context())
			var e *RefreshError
			if !errors.As(err, &e) || e.Temporary() != test.want {
				t.Errorf("%s: %v", test.name, err)
			}
		}
	}
}

// A login that has ended is no credential; one that can be refreshed is.
func TestLoginsThatHaveEnded(t *testing.T) {
	for _, test := range []struct {
		flow, refresh string
		expires       time.Time
		ended         bool
	}{
		{FlowDevice, "", time.Now().Add(-time.Second), true},
		{FlowDevice, "", time.Now().Add(time.Hour), false},
		{FlowDevice, "", time.Time{}, false},
		{FlowDevice, "r", time.Now().Add(-time.Second), false},
		{FlowClient, "", time.Now().Add(-time.Second), false},
	} {
		q := Query{Host: DefaultHost, Getenv: func(string) string { return "" }, ConfigDir: t.TempDir()}
		entry := Entry{Key: "token", Host: DefaultHost, OAuth: &Login{Flow: test.flow, Refresh: test.refresh, Expires: test.expires}}
		if err := (Files{q.ConfigDir}).Set(t.Context(), DefaultProfile, entry); err != nil {
			t.Fatal(err)
		}
		key, err := Find(t.Context(), q)
		if errors.As(err, new(*NotFoundError)) != test.ended || err == nil && key.Secret != "token" {
			t.Errorf("%+v: %v, %v", test, key, err)
		}
	}
}

func TestSecretsOfALogin(t *testing.T) {
	entry := Entry{Key: "a", OAuth: &Login{Refresh: "r", Provider: oauth.Provider{ClientSecret: "c"}}}
	if got := newKey(entry, source{}).Secrets(); !slices.Equal(got, []string{"a", "r", "c"}) {
		t.Errorf("%q", got)
	}
	if got := newKey(Entry{Key: "a"}, source{}).Secrets(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%q", got)
	}
}
