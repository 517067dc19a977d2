package oauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// serve is a server that answers every request so.
func serve(t *testing.T, status int, body string) Provider {
	t.Helper()
	return handle(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	})
}

func handle(t *testing.T, h http.HandlerFunc) Provider {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return Provider{TokenURL: s.URL + "/token", DeviceURL: s.URL + "/device", RevokeURL: s.URL + "/revoke", ClientID: "cli"}
}

func TestRefreshAnswers(t *testing.T) {
	long := strings.Repeat("k", maxToken)
	tests := []struct {
		name, body string
		want       Token
		err        string
	}{
		{"rotated", `{"access_token":"a","refresh_token":"r2","token_type":"Bearer"}`, Token{Access: "a", Refresh: "r2"}, ""},
		{"not rotated", `{"access_token":"a","token_type":"bearer"}`, Token{Access: "a", Refresh: "r1"}, ""},
		{"no type", `{"access_token":"a"}`, Token{Access: "a", Refresh: "r1"}, ""},
		{"another type", `{"access_token":"a","token_type":"mac"}`, Token{}, `of type "mac"`},
		{"no token", `{"token_type":"bearer"}`, Token{}, "not one of OAuth 2.0"},
		{"newline", `{"access_token":"a\r\nx: y","token_type":"bearer"}`, Token{}, "not one of OAuth 2.0"},
		{"newline in the refresh token", `{"access_token":"a","refresh_token":"a\nb"}`, Token{}, "not one of OAuth 2.0"},
		{"longest", `{"access_token":"` + long + `"}`, Token{Access: long, Refresh: "r1"}, ""},
		{"too long", `{"access_token":"` + long + `k"}`, Token{}, "not one of OAuth 2.0"},
		{"not JSON", `at-secret`, Token{}, "not one of OAuth 2.0"},
		{"lifetime that is none", `{"access_token":"at-secret","expires_in":"at-secret"}`, Token{}, "not one of OAuth 2.0"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := serve(t, 200, test.body).Refresh(t.Context(), "r1")
			if got != test.want || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("got %.40q %.40q, %v", got.Access, got.Refresh, err)
			}
			if err != nil && strings.Contains(err.Error(), "at-secret") {
				t.Errorf("the token is repeated: %v", err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name    string
		status  int
		body    string
		message string
		ended   bool
		refused bool
	}{
		{"ended", 400, `{"error":"invalid_grant","error_description":"the token r1-secret is\r\n\u001b[31mgone"}`,
			"the login has ended: the server refused: invalid_grant: the token [redacted] is [31mgone", true, true},
		{"second factor", 400, `{"error":"interaction_required"}`, "the login has ended: the server refused: interaction_required", true, true},
		{"client", 401, `{"error":"invalid_client"}`, "the server refused: invalid_client", false, true},
		{"with status 200", 200, `{"error":"invalid_grant"}`, "the login has ended: the server refused: invalid_grant", true, true},
		{"long", 400, `{"error":"invalid_request","error_description":"` + strings.Repeat("ä", 500) + `"}`,
			"the server refused: invalid_request: " + strings.Repeat("ä", 150) + "…", false, true},
		{"redirect", 307, ``, "the server answered with status 307, and redirects are not followed", false, false},
		{"busy", 503, `{"error":"temporarily_unavailable"}`, "the server refused: temporarily_unavailable", false, false},
		{"proxy", 502, `<html>r1-secret</html>`, "the server answered with status 502", false, false},
		{"limit", 429, ``, "the server answered with status 429", false, false},
		{"forbidden", 403, ``, "the server answered with status 403", false, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := serve(t, test.status, test.body).Refresh(t.Context(), "r1-secret")
			var refusal *Error
			if !errors.As(err, &refusal) || err.Error() != test.message || errors.Is(err, ErrEnded) != test.ended || refusal.Refused() != test.refused {
				t.Errorf("got %v", err)
			}
			if refusal != nil && refusal.Status != test.status {
				t.Errorf("status %d", refusal.Status)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	elsewhere := handle(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s came", r.Method, r.URL) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		p := handle(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.TokenURL, status) })
		_, refresh := p.Refresh(t.Context(), "r1")
		_, client := p.Client(t.Context())
		_, device := p.Device(t.Context(), nil)
		_, discover := Discover(t.Context(), strings.TrimSuffix(p.TokenURL, "/token"))
		for _, err := range []error{refresh, client, device, discover, p.Revoke(t.Context(), "r1")} {
			if err == nil || !strings.Contains(err.Error(), "redirects are not followed") {
				t.Errorf("%d: %v", status, err)
			}
		}
	}
}

func TestRevoke(t *testing.T) {
	tests := []struct {
		status int
		body   string
		cannot bool
		ok     bool
	}{
		{200, "", false, true},
		{400, `{"error":"unsupported_token_type"}`, true, false},
		{400, `{"error":"invalid_request","error_description":"r1-secret"}`, false, false},
		{503, "r1-secret", false, false},
	}
	for _, test := range tests {
		err := serve(t, test.status, test.body).Revoke(t.Context(), "r1-secret")
		if (err == nil) != test.ok || errors.Is(err, ErrCannot) != test.cannot || strings.Contains(fmt.Sprint(err), "r1-secret") {
			t.Errorf("%d: %v", test.status, err)
		}
	}
	p := serve(t, 200, "")
	p.RevokeURL, p.DeviceURL = "", ""
	if err := p.Revoke(t.Context(), "r1"); !errors.Is(err, ErrCannot) {
		t.Errorf("no endpoint: %v", err)
	}
	if _, err := p.Device(t.Context(), nil); !errors.Is(err, ErrCannot) {
		t.Errorf("no endpoint: %v", err)
	}
	asked := make(chan *http.Request, 1)
	p = handle(t, func(_ http.ResponseWriter, r *http.Request) { r.ParseForm(); asked <- r })
	p.ClientSecret = "a secret"
	if err := p.Revoke(t.Context(), "r1"); err != nil {
		t.Error(err)
	}
	r := <-asked
	if user, password, _ := r.BasicAuth(); user != "cli" || password != "a+secret" || r.PostForm.Encode() != "token=r1" {
		t.Errorf("sent %q %q %v", user, password, r.PostForm)
	}
}

func TestURLsThatNothingIsSentTo(t *testing.T) {
	for _, url := range []string{
		"", "id.example/token", "http://id.example/token", "http://127.0.0.1.evil.example/", "ftp://id.example", "unix:///run/x",
		"https://user:hunter22@id.example/", "https://id.example/#x", "https:///x", "https://exa mple/", "http://10.0.0.1/",
	} {
		p := Provider{TokenURL: url, DeviceURL: "https://127.0.0.1:1/", RevokeURL: "https://127.0.0.1:1/"}
		_, refresh := p.Refresh(t.Context(), "r1")
		_, client := p.Client(t.Context())
		_, device := p.Device(t.Context(), nil)
		_, discover := Discover(t.Context(), url)
		for _, err := range []error{refresh, client, device, discover, p.Revoke(t.Context(), "r1")} {
			var bad *URLError
			if !errors.As(err, &bad) || strings.Contains(err.Error(), "hunter22") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
	for _, url := range []string{"https://id.example/token?p=policy", "http://localhost:1/", "http://[::1]:1/", "http://127.9.9.9/"} {
		if err := (Provider{TokenURL: url}).check(); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// A server that never ends its answer, and one that never begins it.
func TestServersThatHang(t *testing.T) {
	p := handle(t, func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := io.WriteString(w, strings.Repeat("x", 4096)); err != nil {
				return
			}
		}
	})
	if _, err := p.Refresh(t.Context(), "r1"); !errors.Is(err, errBadAnswer) {
		t.Errorf("endless answer: %v", err)
	}
	for name, call := range map[string]func(context.Context, Provider) error{
		"refresh":  func(ctx context.Context, p Provider) error { _, err := p.Refresh(ctx, "r1"); return err },
		"client":   func(ctx context.Context, p Provider) error { _, err := p.Client(ctx); return err },
		"device":   func(ctx context.Context, p Provider) error { _, err := p.Device(ctx, nil); return err },
		"revoke":   func(ctx context.Context, p Provider) error { return p.Revoke(ctx, "r1") },
		"discover": func(ctx context.Context, p Provider) error { _, err := Discover(ctx, p.TokenURL); return err },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		p := handle(t, func(_ http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body) // else the server does not see that the client goes
			cancel()
			<-r.Context().Done()
		})
		if err := call(ctx, p); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	p := Provider{TokenURL: "https://id.example/token", ClientID: "cli", ClientSecret: "hunter22"}
	token := Token{Access: "hunter22", Refresh: "hunter22", Expires: time.Now()}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{p, &p, token, &token, struct{ P Provider }{p}, []Token{token}} {
			if text := fmt.Sprintf(format, v); strings.Contains(text, "hunter22") {
				t.Errorf("%s of %T: %s", format, v, text)
			}
		}
	}
	data, err := json.Marshal(p)
	var back Provider
	if err != nil || json.Unmarshal(data, &back) != nil || back.ClientSecret != "hunter22" || back.TokenURL != p.TokenURL {
		t.Errorf("%s, %v", data, err)
	}
}

// What the server says is shown without the secrets, however it spells them.
func TestSecretsThatTheServerRepeats(t *testing.T) {
	const refresh, client = "rt+/0123456789abcdef", "cs+/0123456789abcdef"
	for _, spelling := range []func(string) string{
		func(s string) string { return s }, url.QueryEscape,
		func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
		func(s string) string { return base64.StdEncoding.EncodeToString([]byte("cli:" + s)) },
	} {
		p := serve(t, 400, fmt.Sprintf(`{"error":"invalid_request","error_description":"got %s and %s"}`, spelling(refresh), spelling(client)))
		p.ClientSecret = client
		_, refused := p.Refresh(t.Context(), refresh)
		for _, err := range []error{refused, p.Revoke(t.Context(), refresh)} {
			if err == nil || strings.Contains(err.Error(), spelling(refresh)[5:]) || strings.Contains(err.Error(), spelling(client)[5:]) {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestWhatMayPass(t *testing.T) {
	tests := []struct {
		err  Error
		want bool
	}{
		{Error{Status: 503}, true},
		{Error{Status: 429, Code: "slow"}, true},
		{Error{Status: 400, Code: "temporarily_unavailable"}, true},
		{Error{Status: 400, Code: "invalid_grant"}, false},
		{Error{Status: 401}, false},
		{Error{Status: 404}, false},
		{Error{Status: 302}, false},
	}
	for _, test := range tests {
		if got := test.err.Temporary(); got != test.want {
			t.Errorf("%v: %v", &test.err, got)
		}
	}
	_, err := Provider{TokenURL: "http://127.0.0.1:1/"}.Refresh(t.Context(), "r1")
	if !errors.As(err, new(*NetworkError)) {
		t.Errorf("%T: %[1]v", err)
	}
}
