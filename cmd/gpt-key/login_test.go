package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/credential"
	"gptpipe/pkg/oauth"
	"gptpipe/test/oidc"
)

// A user runs gpt-key, with a home and nothing else.
type user struct {
	t    *testing.T
	home string
	said strings.Builder // all output of all runs
}

func newUser(t *testing.T) *user { return &user{t: t, home: t.TempDir()} }

func (u *user) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(u.t.Context(), time.Minute)
	u.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "gpt-key", args...)
	cmd.Env = []string{"HOME=" + u.home, "PATH=" + os.Getenv("PATH"), "GORACE=atexit_sleep_ms=0", "OPENAI_BASE_URL=https://gw.example/v1"}
	return cmd
}

// run runs a command that is to end with status, and returns what it says on
// stderr.
func (u *user) run(status int, stdin string, args ...string) string {
	u.t.Helper()
	cmd := u.command(args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.Run()
	u.said.WriteString(stdout.String() + stderr.String())
	if got := cmd.ProcessState.ExitCode(); got != status {
		u.t.Errorf("%q ended with status %d, want %d: %s%s", args, got, status, &stdout, &stderr)
	}
	return stderr.String()
}

var invitation = regexp.MustCompile(`^gpt-key: visit (\S+) and enter (\S+)\n$`)

// login runs a login that is to end with status. As soon as URL and code are
// shown, act is called with them.
func (u *user) login(status int, act func(cmd *exec.Cmd, url, code string) error, args ...string) string {
	u.t.Helper()
	cmd := u.command(append([]string{"login", "--file"}, args...)...)
	pipe, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		u.t.Fatal(err)
	}
	var stderr strings.Builder
	for r := bufio.NewReader(pipe); ; {
		line, err := r.ReadString('\n')
		stderr.WriteString(line)
		if m := invitation.FindStringSubmatch(line); m != nil {
			if err := act(cmd, m[1], m[2]); err != nil {
				u.t.Error(err)
			}
		}
		if err != nil {
			break
		}
	}
	cmd.Wait()
	u.said.WriteString(stderr.String())
	if got := cmd.ProcessState.ExitCode(); got != status {
		u.t.Errorf("login %q ended with status %d, want %d: %s", args, got, status, &stderr)
	}
	return stderr.String()
}

func (u *user) files() credential.Files {
	return credential.Files{ConfigDir: filepath.Join(u.home, ".config/gptpipe")}
}

// stored returns what is stored for a profile.
func (u *user) stored(profile string) credential.Entry {
	u.t.Helper()
	e, err := u.files().Get(u.t.Context(), profile)
	if err != nil || e.OAuth == nil {
		u.t.Fatalf("profile %s: %v, %v", profile, e, err)
	}
	return e
}

// nothing checks that no profile has anything but its lock.
func (u *user) nothing() {
	u.t.Helper()
	left, _ := os.ReadDir(filepath.Join(u.home, ".config/gptpipe/keys"))
	for _, file := range left {
		if filepath.Ext(file.Name()) != ".lock" {
			u.t.Errorf("stored: %s", file.Name())
		}
	}
}

func (u *user) want(text, part string) {
	u.t.Helper()
	if !strings.Contains(text, part) {
		u.t.Errorf("said %q, want %q", text, part)
	}
}

func TestLoginAndLogout(t *testing.T) {
	server, u := oidc.Start(t, oidc.Options{}), newUser(t)
	approve := func(_ *exec.Cmd, url, code string) error { return server.Approve(url, code) }
	said := u.login(0, approve, "--issuer", server.URL, "--client-id", "person", "--scope", "openid", "--scope", "offline_access api")
	u.want(said, "logged in; the token is in "+u.files().Path("default")+", for gw.example alone (profile default)")
	e := u.stored("default")
	if e.Host != "gw.example" || !server.Active(e.Key) || !server.Active(e.OAuth.Refresh) || e.OAuth.Flow != credential.FlowDevice {
		t.Errorf("stored %v, %+v", e, e.OAuth)
	}
	u.run(0, "", "status")

	// With endpoints in place of discovery, and without a refresh token.
	said = u.login(0, approve, "--token-url", server.URL+"/token", "--device-url", server.URL+"/device/auth",
		"--client-id", "person", "--scope", "openid api", "--profile", "short")
	u.want(said, "the server gave no refresh token")
	short := u.stored("short")

	said = u.run(0, "", "logout")
	u.want(said, "deleted the login for gw.example")
	if server.Active(e.Key) || server.Active(e.OAuth.Refresh) {
		t.Error("a token is good after logout")
	}
	said = u.run(0, "", "logout", "--profile", "short") // no revocation endpoint is known
	u.want(said, "the server cannot do that: it has no revocation endpoint: the access token may be of use until it expires at ")
	u.nothing()
	said = u.run(4, "", "logout")
	u.want(said, "no login is stored for profile default")

	log, err := os.ReadFile(filepath.Join(u.home, ".local/state/gptpipe/audit.jsonl"))
	if err != nil || strings.Count(string(log), `"event":"login"`) != 2 || strings.Count(string(log), `"event":"logout"`) != 2 {
		t.Errorf("audit log: %s, %v", log, err)
	}
	for _, secret := range []string{e.Key, e.OAuth.Refresh, short.Key} {
		if strings.Contains(u.said.String()+string(log), secret) {
			t.Errorf("a token is shown: %s%s", u.said.String(), log)
		}
	}
}

func TestLoginsThatFail(t *testing.T) {
	server := oidc.Start(t, oidc.Options{})
	brief := oidc.Start(t, oidc.Options{DeviceCode: 2})
	tests := []struct {
		name   string
		server *oidc.Server
		act    func(cmd *exec.Cmd, url, code string) error
		status int
		said   string
	}{
		{"denied", server, func(_ *exec.Cmd, url, code string) error { return server.Deny(url, code) }, 4, "not logged in: the login was denied"},
		{"expired", brief, func(*exec.Cmd, string, string) error { return nil }, 4, "the code has expired\ngpt-key: hint: run gpt-key login again"},
		{"SIGINT", server, func(cmd *exec.Cmd, _, _ string) error { return cmd.Process.Signal(syscall.SIGINT) }, 130, ""},
		{"SIGTERM", server, func(cmd *exec.Cmd, _, _ string) error { return cmd.Process.Signal(syscall.SIGTERM) }, 143, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u := newUser(t)
			u.want(u.login(test.status, test.act, "--issuer", test.server.URL, "--client-id", "person"), test.said)
			u.nothing()
		})
	}
	u := newUser(t)
	u.want(u.run(4, "", "login", "--file", "--issuer", server.URL, "--client-id", "nobody"), "invalid_client")
	u.want(u.run(1, "", "login", "--file", "--issuer", "http://127.0.0.1:1", "--client-id", "x"), "connection refused")
	u.want(u.run(1, "", "login", "--issuer", server.URL, "--client-id", "person"), "hint: gpt-key login --file keeps")
	for _, args := range [][]string{
		{}, {"--client-id", "x"}, {"--issuer", server.URL}, {"--issuer", server.URL, "--token-url", server.URL, "--client-id", "x"},
		{"--token-url", server.URL, "--client-id", "x"}, {"--issuer", server.URL, "--client-id", "x", "--flow", "y"},
		{"--issuer", "http://id.example", "--client-id", "x"}, {"--issuer", server.URL, "--client-id", "x", "secret"},
	} {
		u.run(2, "", append([]string{"login", "--file"}, args...)...)
	}
	u.nothing()
}

func TestLoginByTheClientsSecret(t *testing.T) {
	server, u := oidc.Start(t, oidc.Options{}), newUser(t)
	// Settings of the profile; what is typed comes first.
	profile := filepath.Join(u.home, ".config/gptpipe/profiles/gateway")
	if err := os.MkdirAll(filepath.Dir(profile), 0o700); err != nil {
		t.Fatal(err)
	}
	settings := "issuer " + server.URL + "\nclient-id service\nscope openid\nscope api\nflow client\nbase-url https://own.example/v1\nmodel m\n"
	if err := os.WriteFile(profile, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	u.run(0, "service-secret-1\n", "login", "--file", "--profile", "gateway")
	e := u.stored("gateway")
	p := e.OAuth.Provider
	if e.Host != "gw.example" || e.OAuth.Flow != "client" || e.OAuth.Refresh != "" || strings.Join(p.Scopes, " ") != "openid api" {
		t.Errorf("stored %v, %+v, %v", e, e.OAuth, p.Scopes)
	}
	u.run(0, "service-secret-2\n", "login", "--file", "--profile", "gateway", "--client-id", "service-post", "--scope", "api")
	if p := u.stored("gateway").OAuth.Provider; p.ClientID != "service-post" || strings.Join(p.Scopes, " ") != "api" {
		t.Errorf("stored %v of %s", p.Scopes, p.ClientID)
	}
	for _, secret := range []string{"", "\n", "two words"} {
		u.want(u.run(1, secret, "login", "--file", "--profile", "gateway"), "not a client secret")
	}
	u.want(u.run(4, "wrong-secret-3", "login", "--file", "--profile", "gateway"), "invalid_client")
	u.run(0, "", "logout", "--profile", "gateway")
	u.nothing()
	if said := u.said.String(); strings.Contains(said, "secret-") || strings.Contains(said, e.Key) {
		t.Errorf("a secret is shown: %s", said)
	}
}

func TestLoginPromptShowsNothingTyped(t *testing.T) {
	server, term, home := oidc.Start(t, oidc.Options{}), newTerminal(t), t.TempDir()
	cmd := term.start(home, "login", "--file", "--flow", "client", "--issuer", server.URL, "--client-id", "service",
		"--base-url", "https://gw.example/v1")
	term.wait("secret of the client service (not shown): ")
	term.typeIn("service-secret-1\n")
	term.wait("logged in")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if shown := term.shown.String(); strings.Contains(shown, "secret-1") {
		t.Errorf("shown: %q", shown)
	}
}

// A login whose tokens cannot be revoked is deleted all the same.
func TestLogoutThatCannotRevoke(t *testing.T) {
	u := newUser(t)
	e := credential.Entry{Key: "at-secret", Host: "gw.example", OAuth: &credential.Login{
		Provider: oauth.Provider{TokenURL: "http://127.0.0.1:1/", RevokeURL: "http://127.0.0.1:1/", ClientID: "cli"},
		Flow:     credential.FlowDevice, Refresh: "rt-secret",
	}}
	if err := u.files().Set(t.Context(), "default", e); err != nil {
		t.Fatal(err)
	}
	u.want(u.run(1, "", "logout"), "the tokens are not revoked: dial tcp 127.0.0.1:1: connect: connection refused")
	u.nothing()
	// A key is no login.
	if err := u.files().Set(t.Context(), "default", credential.Entry{Key: "sk-key", Host: "gw.example"}); err != nil {
		t.Fatal(err)
	}
	u.want(u.run(4, "", "logout"), "hint: gpt-key delete removes a key")
	if _, err := u.files().Get(t.Context(), "default"); err != nil {
		t.Errorf("the key: %v", err)
	}
	if strings.Contains(u.said.String(), "t-secret") {
		t.Errorf("a token is shown: %s", u.said.String())
	}
}

// A server that takes its time to revoke is told of, and is waited for once for
// both tokens.
func TestLogoutWaits(t *testing.T) {
	answer := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-answer }))
	defer server.Close()
	u := newUser(t)
	e := credential.Entry{Key: "at-secret", Host: "gw.example", OAuth: &credential.Login{
		Provider: oauth.Provider{TokenURL: server.URL, RevokeURL: server.URL, ClientID: "cli"},
		Flow:     credential.FlowDevice, Refresh: "rt-secret",
	}}
	logout := func(patience string) (*exec.Cmd, *bufio.Reader) {
		t.Helper()
		if err := u.files().Set(t.Context(), "default", e); err != nil {
			t.Fatal(err)
		}
		cmd := u.command("logout")
		cmd.Env = append(cmd.Env, "GPT_KEY_TEST_PATIENCE="+patience)
		out, err := cmd.StderrPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		return cmd, bufio.NewReader(out)
	}

	cmd, out := logout("200ms")
	said, _ := io.ReadAll(out)
	if err := cmd.Wait(); err == nil || !strings.HasSuffix(string(said), "gpt-key: the tokens are not revoked: no answer within 200ms\n") {
		t.Errorf("%v, said %s", err, said)
	}
	u.nothing()

	cmd, out = logout("50s")
	if line, err := out.ReadString('\n'); line != "gpt-key: waiting for the server to revoke the tokens, for at most 50s\n" {
		t.Errorf("said %q, %v", line, err)
	}
	close(answer)
	said, _ = io.ReadAll(out)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v, said %s", err, said)
	}
	u.nothing()
}

// inSession runs a shell script with an unlocked keyring, and answers its output.
func (u *user) inSession(script string, args ...string) string {
	u.t.Helper()
	for _, program := range []string{"gnome-keyring-daemon", "dbus-run-session"} {
		if _, err := exec.LookPath(program); errors.Is(err, exec.ErrNotFound) {
			u.t.Skipf("%s is not installed", program)
		}
	}
	ctx, cancel := context.WithTimeout(u.t.Context(), time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "dbus-run-session", append([]string{"--", "sh", "-euc", `
		printf test | gnome-keyring-daemon --unlock --components=secrets >/dev/null
		timeout 20 sh -c "until dbus-send --print-reply=literal --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner string:org.freedesktop.secrets | grep -q true; do sleep 0.05; done"
		` + script}, args...)...)
	shell.Env = append(u.command().Env, "XDG_RUNTIME_DIR="+u.home)
	shell.WaitDelay = time.Second // services of the bus hold the pipe
	out, err := shell.CombinedOutput()
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		u.t.Errorf("%v: %s", err, out)
	}
	return string(out)
}

func TestLoginInTheKeyring(t *testing.T) {
	server, u := oidc.Start(t, oidc.Options{}), newUser(t)
	out := u.inSession(`
		echo service-secret-1 | gpt-key login --flow client --issuer "$0" --client-id service
		gpt-key status
		echo service-secret-1 | gpt-key login --file --flow client --issuer "$0" --client-id service
		gpt-key logout
		! gpt-key status >/dev/null`, server.URL)
	u.want(out, "logged in; the token is in the keyring, for gw.example alone")
	u.want(out, "\nkeyring: used, ")
	u.want(out, "gpt-key: the keyring has a key for profile default too, and that one is used")
	u.want(out, "deleted the login for gw.example from the keyring")
	u.nothing()
}

// A server that does not answer is waited for once for all logins.
func TestLogoutWaitsForTwoLoginsOnce(t *testing.T) {
	g, u := newGateway(t), newUser(t)
	g.mu.Lock()
	g.stalls = true
	g.mu.Unlock()
	out := u.inSession(`
		echo secret-1 | gpt-key login --flow client --issuer "$0" --client-id c
		echo secret-1 | gpt-key login --file --flow client --issuer "$0" --client-id c
		! GPT_KEY_TEST_PATIENCE=2s gpt-key logout`, g.URL)
	u.want(out, "deleted the login for gw.example from the keyring")
	u.want(out, "deleted the login for gw.example from "+u.files().Path("default"))
	if n := strings.Count(out, "waiting for the server"); n > 1 {
		t.Errorf("waited %d times: %s", n, out)
	}
	if got := g.taken(); strings.Contains(got, "at-secret-2") {
		t.Errorf("asked to revoke %s", got)
	}
	u.nothing()
}

// A gateway gives tokens to whoever asks, notes what it is to revoke, and has
// models. meanwhile is called while it is asked for those.
type gateway struct {
	*httptest.Server
	mu        sync.Mutex
	given     int
	revoked   []string
	models    string
	meanwhile func()
	stalls    bool // it does not answer when it is to revoke
}

func newGateway(t *testing.T) *gateway {
	g := &gateway{models: `{"data":[]}`, meanwhile: func() {}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /device", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"device_code":"d","user_code":"CODE","verification_uri":%q,"expires_in":60,"interval":1}`, "http://"+r.Host)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, _ *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.given++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"at-secret-%d","refresh_token":"rt-secret-%[1]d","expires_in":3600}`, g.given)
	})
	mux.HandleFunc("POST /revoke", func(_ http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		g.revoked = append(g.revoked, r.FormValue("token"))
		stalls := g.stalls
		g.mu.Unlock()
		if stalls {
			<-r.Context().Done()
		}
	})
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"issuer":"%[1]s","token_endpoint":"%[1]s/token","device_authorization_endpoint":"%[1]s/device","revocation_endpoint":"%[1]s/revoke"}`, "http://"+r.Host)
	})
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.meanwhile()
		io.WriteString(w, g.models)
	})
	g.Server = httptest.NewServer(mux)
	t.Cleanup(g.Close)
	return g
}

// taken answers what was to be revoked since it was asked last.
func (g *gateway) taken() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	defer func() { g.revoked = nil }()
	return strings.Join(g.revoked, " ")
}

// Tokens that nobody has any more are revoked.
func TestTokensThatAreReplacedOrNotStored(t *testing.T) {
	g, u := newGateway(t), newUser(t)
	args := []string{"login", "--file", "--issuer", g.URL, "--client-id", "c"}
	u.run(0, "", args...)
	u.want(u.run(0, "", args...), "it replaces the login for gw.example, whose tokens the server is asked to revoke")
	if got := g.taken(); got != "rt-secret-1 at-secret-1" {
		t.Errorf("revoked: %s", got)
	}

	// The file cannot be written: the old login stays, the new one goes.
	inTheWay := filepath.Join(u.home, ".config/gptpipe/keys/.default.new")
	if err := os.MkdirAll(filepath.Join(inTheWay, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	said := u.run(1, "", args...)
	u.want(said, "the login cannot be stored")
	if got := g.taken(); got != "rt-secret-3 at-secret-3" || strings.Contains(said, "--file") {
		t.Errorf("revoked: %s; said %s", got, said)
	}
	if e := u.stored("default"); e.Key != "at-secret-2" {
		t.Errorf("stored %v", e)
	}
	if err := os.RemoveAll(inTheWay); err != nil {
		t.Fatal(err)
	}

	said = u.run(0, "", "delete")
	u.want(said, "deleted the login for gw.example")
	u.want(said, "gpt-key logout, in place of delete, has it revoke them")
	if got := g.taken(); got != "" {
		t.Errorf("revoked: %s", got)
	}

	// OpenAI takes no tokens: nobody is asked, and nothing is replaced.
	if err := u.files().Set(t.Context(), "default", credential.Entry{Key: "sk-key", Host: "api.openai.com"}); err != nil {
		t.Fatal(err)
	}
	said = u.run(2, "", append(args, "--base-url", "https://api.openai.com/v1")...)
	u.want(said, "api.openai.com takes keys, not tokens: give the gateway's --base-url")
	if e, err := u.files().Get(t.Context(), "default"); err != nil || e.Key != "sk-key" || strings.Contains(said, "visit") {
		t.Errorf("stored %v, %v; said %s", e, err, said)
	}
	if strings.Contains(u.said.String(), "t-secret") {
		t.Errorf("a token is shown: %s", u.said.String())
	}
}

func TestStatusOfALogin(t *testing.T) {
	u := newUser(t)
	status := func(code int, want string) {
		t.Helper()
		cmd := u.command("status")
		out, _ := cmd.Output()
		u.want(string(out), want)
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("status %d, want %d: %s", got, code, out)
		}
	}
	set := func(refresh string, expires time.Time) {
		t.Helper()
		login := &credential.Login{Flow: credential.FlowDevice, Refresh: refresh, Expires: expires}
		if err := u.files().Set(t.Context(), "default", credential.Entry{Key: "at-secret", Host: "gw.example", OAuth: login}); err != nil {
			t.Fatal(err)
		}
	}
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	set("", future)
	status(0, "used, login, its token expires at "+future.Format(time.DateTime))
	set("rt-secret", past)
	status(0, "used, login, its token expired at "+past.Format(time.DateTime)+" and is refreshed when it is used")
	set("", past)
	status(4, "the login has ended: gpt-key login makes a new one")
}

// What is stored is not changed while another process refreshes the login, and a
// key that was deleted while another was tried does not come back.
func TestChangesWaitForEachOther(t *testing.T) {
	g, u := newGateway(t), newUser(t)
	key := credential.Entry{Key: "sk-old-key", Host: g.URL}
	if err := u.files().Set(t.Context(), "default", key); err != nil {
		t.Fatal(err)
	}
	lock, err := credential.Lock(t.Context(), u.files(), "default")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, args := range [][]string{{"set", "--file"}, {"rotate", "--base-url", g.URL + "/v1"}, {"delete"}} {
		all.Go(func() {
			cmd := u.command(args...)
			cmd.Stdin = strings.NewReader("sk-new-key")
			said, _ := cmd.CombinedOutput()
			if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(said), "another process has held the login's lock for 10s") {
				t.Errorf("%s: %s", args, said)
			}
		})
	}
	all.Wait()
	lock.Close()
	if e, err := u.files().Get(t.Context(), "default"); err != nil || e.Key != key.Key {
		t.Errorf("stored %v, %v", e, err)
	}

	g.mu.Lock()
	g.meanwhile = func() { u.files().Delete(context.Background(), "default") }
	g.mu.Unlock()
	u.want(u.run(1, "sk-new-key", "rotate", "--base-url", g.URL+"/v1"), "was changed meanwhile, and is left as it is")
	u.nothing()

	g.mu.Lock()
	g.models = strings.Repeat(" ", 1<<20) + `{"data":[]}`
	g.mu.Unlock()
	u.want(u.run(1, "", "models", "--base-url", g.URL+"/v1"), "longer than 1 MiB")
}
