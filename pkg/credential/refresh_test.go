package credential

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gptpipe/pkg/oauth"
)

// A tokenServer gives tokens a1, a2 … for refresh tokens r0, r1 …, each good
// once, and counts requests.
type tokenServer struct {
	url    string
	given  atomic.Int64
	asked  atomic.Int64
	before func(request int64, w http.ResponseWriter) (answered bool)
}

func newTokenServer(t *testing.T) *tokenServer {
	t.Helper()
	s := &tokenServer{before: func(int64, http.ResponseWriter) bool { return false }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		if s.before(s.asked.Add(1), w) {
			return
		}
		w.Header().Set("Content-Type", "application/json")
		n := s.given.Load()
		if r.PostForm.Get("grant_type") == "refresh_token" && r.PostForm.Get("refresh_token") != fmt.Sprintf("r%d", n) {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, `{"error":"invalid_grant"}`)
			return
		}
		n = s.given.Add(1)
		fmt.Fprintf(w, `{"access_token":"a%d","refresh_token":"r%[1]d","token_type":"Bearer","expires_in":3600}`, n)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// nobody is told anything.
func nobody(error) {}

// entry is a login at s with the tokens a0 and r0, stored in files.
func (s *tokenServer) entry(t *testing.T) (e Entry, files Files, lock string) {
	t.Helper()
	home := t.TempDir()
	files = Files{ConfigDir: home}
	lock = files.lockPath("default")
	e = Entry{Key: "a0", Host: "gw.example", Set: time.Now().UTC().Truncate(time.Second), OAuth: &Login{
		Provider: oauth.Provider{TokenURL: s.url, ClientID: "cli"}, Flow: FlowDevice, Refresh: "r0",
	}}
	if err := files.Set(t.Context(), "default", e); err != nil {
		t.Fatal(err)
	}
	return e, files, lock
}

const refreshVariable = "CREDENTIAL_TEST_REFRESH" // folder of a login to refresh

func init() {
	scenarios["refresh"] = func(ctx context.Context) error {
		dir := os.Getenv(refreshVariable)
		files := Files{ConfigDir: dir}
		old, err := files.Get(ctx, "default")
		if err != nil {
			return err
		}
		fmt.Println("ready")
		io.Copy(io.Discard, os.Stdin) // until all may begin
		next, err := refresh(ctx, files, "default", old, lockPatience, nobody)
		if err != nil {
			return err
		}
		fmt.Println(next.Key)
		return nil
	}
	scenarios["login"] = func(ctx context.Context) error {
		if err := startKeyring(); err != nil {
			return err
		}
		ring := Keyring{Getenv: os.Getenv}
		for _, size := range []int{6 << 10, 16 << 10} {
			want := Entry{Key: strings.Repeat("j", size), Host: "gw.example", OAuth: &Login{Flow: FlowDevice, Refresh: strings.Repeat("r", size)}}
			err := ring.Set(ctx, "default", want)
			if err != nil {
				return err
			}
			got, err := ring.Get(ctx, "default")
			if err != nil || got.Key != want.Key || got.OAuth == nil || got.OAuth.Refresh != want.OAuth.Refresh {
				return fmt.Errorf("%d bytes: got %d, %w", size, len(got.Key), err)
			}
		}
		return nil
	}
}

// A process is a run of the scenario "refresh" in dir.
type process struct {
	*exec.Cmd
	begin io.Closer
	said  *bufio.Reader
	err   *bytes.Buffer
}

func start(t *testing.T, dir string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), scenarioVariable+"=refresh", refreshVariable+"="+dir, "GORACE=atexit_sleep_ms=0")
	p := &process{Cmd: cmd, err: new(bytes.Buffer)}
	cmd.Stderr = p.err
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	p.begin, p.said = in, bufio.NewReader(out)
	if line, err := p.said.ReadString('\n'); line != "ready\n" {
		t.Fatalf("a process said %q, %v: %s", line, err, p.err)
	}
	return p
}

// answer is the key, or the error, that the process ends with.
func (p *process) answer() string {
	line, _ := p.said.ReadString('\n')
	p.Wait()
	return strings.TrimSpace(line)
}

// together lets n processes refresh the same login at the same time.
func together(t *testing.T, n int, dir string) (answers map[string]int) {
	t.Helper()
	var all []*process
	for range n {
		all = append(all, start(t, dir))
	}
	for _, p := range all {
		p.begin.Close()
	}
	answers = map[string]int{}
	for _, p := range all {
		answers[p.answer()]++
	}
	return answers
}

func TestFiftyProcessesRefreshOnce(t *testing.T) {
	server := newTokenServer(t)
	_, files, lock := server.entry(t)
	if got := together(t, 50, files.ConfigDir); got["a1"] != 50 {
		t.Errorf("answers: %v", got)
	}
	if n := server.asked.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	stored, err := files.Get(t.Context(), "default")
	if err != nil || stored.Key != "a1" || stored.OAuth.Refresh != "r1" || time.Until(stored.OAuth.Expires) < 50*time.Minute {
		t.Errorf("stored %q, %+v, %v", stored.Key, stored.OAuth, err)
	}
	for path, mode := range map[string]os.FileMode{lock: 0o600, filepath.Dir(lock): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

func TestProcessesDoNotHammerAServerThatFails(t *testing.T) {
	server := newTokenServer(t)
	server.before = func(_ int64, w http.ResponseWriter) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	}
	_, files, _ := server.entry(t)
	begun := time.Now()
	got := together(t, 30, files.ConfigDir)
	for answer := range got {
		if !strings.HasPrefix(answer, "the server answered with status 503") {
			t.Errorf("answers: %v", got)
		}
	}
	if n, most := server.asked.Load(), 1+int64(time.Since(begun)/pause); n > most {
		t.Errorf("%d requests, want at most %d", n, most)
	}
}

func TestKilledProcessHoldsNobodyUp(t *testing.T) {
	server := newTokenServer(t)
	came, release := make(chan struct{}), make(chan struct{})
	server.before = func(n int64, _ http.ResponseWriter) bool {
		if n == 1 {
			close(came)
			<-release
		}
		return n == 1
	}
	_, files, _ := server.entry(t)
	first, second := start(t, files.ConfigDir), start(t, files.ConfigDir)
	first.begin.Close()
	<-came
	second.begin.Close()
	first.Process.Kill()
	if got := second.answer(); got != "a1" {
		t.Errorf("the second got %q", got)
	}
	close(release)
}

func TestFailureIsKeptForAWhile(t *testing.T) {
	server := newTokenServer(t)
	old, files, lock := server.entry(t)
	server.given.Store(7) // r0 is no good any more
	for i := range 3 {
		_, err := refresh(t.Context(), files, "default", old, lockPatience, nobody)
		var refusal *oauth.Error
		if !errors.Is(err, oauth.ErrEnded) || !errors.As(err, &refusal) || refusal.Code != "invalid_grant" {
			t.Errorf("got %v", err)
		}
		var repeated *RepeatedError
		if errors.As(err, &repeated) != (i > 0) {
			t.Errorf("time %d: %v", i, err)
		}
	}
	if n := server.asked.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
	// Later, and for another login, the server is asked.
	for name, change := range map[string]func(*failure){
		"later":   func(f *failure) { f.At = f.At.Add(-pause) },
		"clock":   func(f *failure) { f.At = f.At.Add(time.Hour) },
		"another": func(f *failure) { f.Login = "another" },
	} {
		before := server.asked.Load()
		text, err := os.ReadFile(lock)
		if err != nil || strings.Contains(string(text), "a0") || strings.Contains(string(text), "r0") {
			t.Fatalf("kept: %s, %v", text, err)
		}
		var f failure
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatal(err)
		}
		change(&f)
		changed, _ := json.Marshal(f)
		if err := os.WriteFile(lock, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = refresh(t.Context(), files, "default", old, lockPatience, nobody)
		if !errors.Is(err, oauth.ErrEnded) || server.asked.Load() != before+1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A way to the server that fails may do so for one process alone: those that go
// another, or trust another certificate, are not stopped by it.
func TestFailureOnTheWayIsNotKept(t *testing.T) {
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer untrusted.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, url := range map[string]string{"certificate": untrusted.URL, "refused": closed.URL, "no TLS": "https" + newTokenServer(t).url[len("http"):]} {
		server := newTokenServer(t)
		old, files, lock := server.entry(t)
		old.OAuth.Provider.TokenURL = url
		if err := files.Set(t.Context(), "default", old); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := refresh(t.Context(), files, "default", old, lockPatience, nobody)
			if !errors.As(err, new(*oauth.NetworkError)) || errors.As(err, new(*RepeatedError)) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if kept, err := os.ReadFile(lock); err != nil || len(kept) > 0 {
			t.Errorf("%s: kept %s, %v", name, kept, err)
		}
	}
	server := newTokenServer(t)
	old, files, _ := server.entry(t)
	server.before = func(int64, http.ResponseWriter) bool { panic(http.ErrAbortHandler) } // once connected
	for i := range 2 {
		_, err := refresh(t.Context(), files, "default", old, lockPatience, nobody)
		if !errors.As(err, new(*oauth.NetworkError)) || errors.As(err, new(*RepeatedError)) != (i > 0) || !(&RefreshError{err}).Temporary() {
			t.Errorf("time %d: got %v", i, err)
		}
	}
}

// A flawed store fails to write as long as broken is set.
type flawed struct {
	Store
	broken bool
}

var errBroken = errors.New("the disk is full")

func (f *flawed) Set(ctx context.Context, profile string, e Entry) error {
	if f.broken {
		return errBroken
	}
	return f.Store.Set(ctx, profile, e)
}

func TestLoginThatCannotBeStoredServesItsProcess(t *testing.T) {
	ctx, server := t.Context(), newTokenServer(t)
	old, files, _ := server.entry(t)
	store := &flawed{files, true}
	for _, want := range []string{"a1", "a2"} {
		next, err := refresh(ctx, store, "default", old, lockPatience, nobody)
		var lost *NotStoredError
		if !errors.As(err, &lost) || !errors.Is(err, errBroken) || next.Key != want {
			t.Fatalf("got %q, %v", next.Key, err)
		}
		old = next
	}
	store.broken = false
	if next, err := refresh(ctx, store, "default", old, lockPatience, nobody); err != nil || next.Key != "a3" {
		t.Errorf("got %q, %v", next.Key, err)
	}
	if stored, err := files.Get(ctx, "default"); err != nil || stored.Key != "a3" || stored.OAuth.Refresh != "r3" {
		t.Errorf("stored %q, %v", stored.Key, err)
	}
	// A new login is better than what could not be stored.
	store.broken = true
	old, _ = files.Get(ctx, "default")
	old, _ = refresh(ctx, store, "default", old, lockPatience, nobody)
	fresh := old
	fresh.Key = "b1"
	if err := files.Set(ctx, "default", fresh); err != nil {
		t.Fatal(err)
	}
	if next, err := refresh(ctx, store, "default", old, lockPatience, nobody); err != nil || next.Key != "b1" {
		t.Errorf("got %q, %v", next.Key, err)
	}
}

func TestWhatHappensToTheStoreMeanwhile(t *testing.T) {
	tests := []struct {
		name   string
		change func(Files, Entry) error
		want   string // the key
		err    error
	}{
		{"nothing", func(Files, Entry) error { return nil }, "a1", nil},
		{"deleted", func(f Files, _ Entry) error { return f.Delete(context.Background(), "default") }, "", ErrNoEntry},
		{"a key is set", func(f Files, _ Entry) error {
			return f.Set(context.Background(), "default", Entry{Key: "sk-new", Host: "gw.example"})
		}, "sk-new", nil},
		{"a key for another host is set", func(f Files, _ Entry) error {
			return f.Set(context.Background(), "default", Entry{Key: "sk-new", Host: "evil.example"})
		}, "sk-new", &BoundError{}},
	}
	for _, test := range tests {
		for _, when := range []string{"before", "during"} {
			t.Run(test.name+" "+when, func(t *testing.T) {
				server := newTokenServer(t)
				old, files, _ := server.entry(t)
				change := func() {
					if err := test.change(files, old); err != nil {
						t.Error(err)
					}
				}
				if when == "before" {
					change()
				} else {
					server.before = func(int64, http.ResponseWriter) bool { change(); return false }
				}
				next, err := refresh(t.Context(), files, "default", old, lockPatience, nobody)
				var bound *BoundError
				switch {
				case test.err == nil && (err != nil || next.Key != test.want):
					t.Errorf("got %q, %v", next.Key, err)
				case errors.As(test.err, &bound):
					if !errors.As(err, &bound) || bound.Host != "evil.example" || next.Key != "" {
						t.Errorf("got %q, %v", next.Key, err)
					}
				case test.err != nil && (!errors.Is(err, test.err) || next.Key != ""):
					t.Errorf("got %q, %v, want %v", next.Key, err, test.err)
				}
				if stored, _ := files.Get(t.Context(), "default"); stored.Key != test.want {
					t.Errorf("stored %q, want %q", stored.Key, test.want)
				}
			})
		}
	}
}

// The server has changed the refresh token when the user interrupts: the new one
// is not lost.
func TestInterruptLosesNoLogin(t *testing.T) {
	server := newTokenServer(t)
	old, files, _ := server.entry(t)
	ctx, cancel := context.WithCancel(t.Context())
	server.before = func(int64, http.ResponseWriter) bool { cancel(); return false }
	if next, err := refresh(ctx, files, "default", old, lockPatience, nobody); err != nil || next.Key != "a1" {
		t.Errorf("got %q, %v", next.Key, err)
	}
	if stored, err := files.Get(t.Context(), "default"); err != nil || stored.OAuth.Refresh != "r1" {
		t.Errorf("stored %q, %v", stored.Key, err)
	}
}

// A server that does not answer holds up nobody who has interrupted for longer
// than the grace.
func TestInterruptedRefreshIsGivenUp(t *testing.T) {
	defer func(d time.Duration) { grace = d }(grace)
	grace = 20 * time.Millisecond
	server := newTokenServer(t)
	old, files, _ := server.entry(t)
	ctx, cancel := context.WithCancel(t.Context())
	silent, told := make(chan struct{}), make(chan error, 1)
	server.before = func(int64, http.ResponseWriter) bool { cancel(); <-silent; return true }
	_, err := refresh(ctx, files, "default", old, lockPatience, func(err error) { told <- err })
	close(silent)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := <-told; err != ErrCut {
		t.Errorf("told %v", err)
	}
	server.before = func(int64, http.ResponseWriter) bool { return false }
	// That is no failure of the server's that others are told of.
	if next, err := refresh(t.Context(), files, "default", old, lockPatience, nobody); err != nil || next.Key != "a1" {
		t.Errorf("got %q, %v", next.Key, err)
	}
}

func TestLockIsWaitedForUntilTheContextEnds(t *testing.T) {
	server := newTokenServer(t)
	old, files, _ := server.entry(t)
	lock, err := Lock(t.Context(), files, "default")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := refresh(ctx, files, "default", old, lockPatience, nobody); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	lock.Close()
	if next, err := refresh(t.Context(), files, "default", old, lockPatience, nobody); err != nil || next.Key != "a1" {
		t.Errorf("got %q, %v", next.Key, err)
	}
}

func TestRefreshByTheClientsSecret(t *testing.T) {
	server := newTokenServer(t)
	old, files, _ := server.entry(t)
	old.OAuth.Flow, old.OAuth.Refresh, old.OAuth.Provider.ClientSecret = FlowClient, "", "hunter22"
	if err := files.Set(t.Context(), "default", old); err != nil {
		t.Fatal(err)
	}
	next, err := refresh(t.Context(), files, "default", old, lockPatience, nobody)
	if err != nil || next.Key != "a1" || next.OAuth.Refresh != "" || next.OAuth.Expires.IsZero() || !next.Set.Equal(old.Set) {
		t.Errorf("got %q, %+v, %v", next.Key, next.OAuth, err)
	}
}

func TestOnlyLoginsAreRefreshed(t *testing.T) {
	server := newTokenServer(t)
	old, files, _ := server.entry(t)
	old.OAuth = nil
	if err := files.Set(t.Context(), "default", old); err != nil {
		t.Fatal(err)
	}
	if _, err := refresh(t.Context(), files, "default", old, lockPatience, nobody); !errors.Is(err, ErrNoLogin) {
		t.Errorf("got %v", err)
	}
	if _, err := refresh(t.Context(), Keyring{Getenv: environment()}, "default", old, lockPatience, nobody); !errors.Is(err, ErrNoStateDir) {
		t.Errorf("got %v", err)
	}
}

func TestLoginsInTheKeyring(t *testing.T) { newSession(t).run("login") }

func TestStoredLogins(t *testing.T) {
	tests := []struct {
		text string
		ok   bool
	}{
		{`{"key":"eyJ0://./etc","host":"gw.example","oauth":{"flow":"device"}}`, true},
		{`{"key":"` + strings.Repeat("j", 16<<10) + `","host":"gw.example","oauth":{"refresh":"` + strings.Repeat("r", 16<<10) + `"}}`, true},
		{`{"key":"` + strings.Repeat("j", 16<<10+1) + `","host":"gw.example","oauth":{}}`, false},
		{`{"key":"a\nb","host":"gw.example","oauth":{}}`, false},
		{`{"key":"","host":"gw.example","oauth":{}}`, false},
		{`{"key":"a","oauth":{}}`, false},
		{`{"key":"a","host":"gw.example","oauth":7}`, false},
	}
	files := Files{ConfigDir: t.TempDir()}
	for _, test := range tests {
		write(t, files.Path("default"), test.text+"\n")
		got, err := files.Get(t.Context(), "default")
		var invalid *InvalidError
		if (err == nil) != test.ok || err == nil && got.OAuth == nil || err != nil && !errors.As(err, &invalid) {
			t.Errorf("%.60s: %v, %v", test.text, got, err)
		}
	}
}

func TestLoginsAreNotPrinted(t *testing.T) {
	login := Login{Provider: oauth.Provider{ClientSecret: "hunter22"}, Refresh: "hunter22"}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{login, &login, Entry{Key: "hunter22", OAuth: &login}, []Entry{{Key: "hunter22", OAuth: &login}}} {
			if text := fmt.Sprintf(format, v); strings.Contains(text, "hunter22") {
				t.Errorf("%s of %T: %s", format, v, text)
			}
		}
	}
}

// A refresh token is not spent where what comes for it could not be stored.
func TestNothingIsAskedForWhatCannotBeStored(t *testing.T) {
	ctx, server := t.Context(), newTokenServer(t)
	old, files, _ := server.entry(t)
	folder := filepath.Dir(files.Path("default"))
	inTheWay := filepath.Join(folder, ".default.refresh")
	write(t, filepath.Join(inTheWay, "x"), "")
	_, err := refresh(ctx, files, "default", old, lockPatience, nobody)
	if !errors.As(err, new(*UnwritableError)) || (&RefreshError{err}).Temporary() || server.asked.Load() != 0 {
		t.Errorf("got %v; %d requests", err, server.asked.Load())
	}
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}
	if next, err := refresh(ctx, files, "default", old, lockPatience, nobody); err != nil || next.Key != "a1" {
		t.Errorf("got %q, %v", next.Key, err)
	}
	info, err := os.Stat(files.Path("default"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if stored, err := files.Get(ctx, "default"); err != nil || stored.Key != "a1" || stored.OAuth.Refresh != "r1" {
		t.Errorf("stored %q, %v", stored.Key, err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 2 { // it and its lock
		t.Errorf("left: %v, %v", left, err)
	}
	// A service loses nothing that its secret does not bring again.
	old, _ = files.Get(ctx, "default")
	old.OAuth.Flow, old.OAuth.Refresh, old.OAuth.Provider.ClientSecret = FlowClient, "", "hunter22"
	if err := files.Set(ctx, "default", old); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(inTheWay, "x"), "")
	_, err = refresh(ctx, &flawed{files, true}, "default", old, lockPatience, nobody)
	var kept *NotStoredError
	if !errors.As(err, &kept) || kept.Lost {
		t.Errorf("got %v", err)
	}
}

// Where there can be no lock, a person's login is not put at risk, and a service
// gets its token all the same.
func TestRefreshWithoutALock(t *testing.T) {
	ctx, server := t.Context(), newTokenServer(t)
	old, files, lock := server.entry(t)
	write(t, filepath.Join(lock, "x"), "")
	_, err := refresh(ctx, files, "default", old, lockPatience, nobody)
	if !errors.As(err, new(*UnwritableError)) || server.asked.Load() != 0 {
		t.Errorf("got %v; %d requests", err, server.asked.Load())
	}
	old.OAuth.Flow, old.OAuth.Refresh, old.OAuth.Provider.ClientSecret = FlowClient, "", "hunter22"
	if err := files.Set(ctx, "default", old); err != nil {
		t.Fatal(err)
	}
	if next, err := refresh(ctx, files, "default", old, lockPatience, nobody); err != nil || next.Key != "a1" {
		t.Errorf("got %q, %v", next.Key, err)
	}
	// A login in the keyring has its lock under a home, which may be nowhere.
	for _, lock := range []string{"", "/proc/nothing/default.lock"} {
		person, files, _ := server.entry(t)
		service, nowhere, asked := old, lockedAt{files, lock}, server.asked.Load()
		_, err := refresh(ctx, nowhere, "default", person, lockPatience, nobody)
		if !errors.As(err, new(*UnwritableError)) || server.asked.Load() != asked {
			t.Errorf("%q: got %v; %d requests", lock, err, server.asked.Load()-asked)
		}
		if err := files.Set(ctx, "default", service); err != nil {
			t.Fatal(err)
		}
		next, err := refresh(ctx, nowhere, "default", service, lockPatience, nobody)
		if stored, get := files.Get(ctx, "default"); err != nil || get != nil || next.Key == service.Key || stored.Key != next.Key {
			t.Errorf("%q: got %q, %v, stored %q, %v", lock, next.Key, err, stored.Key, get)
		}
	}
	if err := os.RemoveAll(filepath.Dir(lock)); err != nil {
		t.Fatal(err)
	}
	if _, err := refresh(ctx, files, "default", old, lockPatience, nobody); !errors.Is(err, ErrNoEntry) {
		t.Errorf("without its folder: %v", err)
	}
}

// lockedAt is a store whose lock is elsewhere than in the folder of the files.
type lockedAt struct {
	Store
	path string
}

func (l lockedAt) lockPath(string) string { return l.path }

func TestLockIsNotWaitedForWithoutEnd(t *testing.T) {
	defer func(d time.Duration) { lockPatience = d }(lockPatience)
	lockPatience = 20 * time.Millisecond
	server := newTokenServer(t)
	old, files, _ := server.entry(t)
	lock, err := Lock(t.Context(), files, "default")
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	_, err = refresh(t.Context(), files, "default", old, lockPatience, nobody)
	if !errors.As(err, new(*BusyError)) || !(&RefreshError{err}).Temporary() || server.asked.Load() != 0 {
		t.Errorf("got %v", err)
	}
}
