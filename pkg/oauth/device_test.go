package oauth

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A script is a server that answers one request after the other, and knows when
// they came.
type script struct {
	answers []string // a status and a body, "lost" or "hangs"
	times   []time.Time
	forms   []string
}

func (s *script) RoundTrip(req *http.Request) (*http.Response, error) {
	form, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	s.times, s.forms = append(s.times, time.Now()), append(s.forms, string(form))
	answer := s.answers[min(len(s.times), len(s.answers))-1]
	switch answer {
	case "lost":
		return nil, syscall.ECONNRESET
	case "hangs":
		<-req.Context().Done()
		return nil, os.ErrDeadlineExceeded // as dialing says it
	}
	status, body, _ := strings.Cut(answer, " ")
	code := map[string]int{"200": 200, "400": 400, "429": 429, "502": 502}[status]
	return &http.Response{
		StatusCode: code, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)),
	}, nil
}

// pauses are the seconds between requests.
func (s *script) pauses() []int {
	var pauses []int
	for i := 1; i < len(s.times); i++ {
		pauses = append(pauses, int(s.times[i].Sub(s.times[i-1]).Seconds()))
	}
	return pauses
}

const (
	codes   = `200 {"device_code":"dc-secret","user_code":"ABCD-EFGH","verification_uri":"https://id.example/device","expires_in":900`
	pending = `400 {"error":"authorization_pending"}`
	slow    = `400 {"error":"slow_down"}`
	token   = `200 {"access_token":"at-1","refresh_token":"rt-1","token_type":"bearer","expires_in":3600}`
)

func TestPolling(t *testing.T) {
	tests := []struct {
		name    string
		answers []string
		pauses  []int
		err     error
	}{
		{"default interval", []string{codes + "}", pending, pending, token}, []int{5, 5, 5}, nil},
		{"interval", []string{codes + `,"interval":2}`, pending, token}, []int{2, 2}, nil},
		{"negative interval", []string{codes + `,"interval":-7}`, pending, token}, []int{5, 5}, nil},
		{"slow down", []string{codes + `,"interval":2}`, slow, pending, slow, token}, []int{2, 7, 7, 12}, nil},
		{"lost on the way", []string{codes + "}", "lost", "502 <html>", "429 {}", pending, token}, []int{5, 10, 15, 20, 20}, nil},
		{"denied", []string{codes + "}", pending, `400 {"error":"access_denied"}`}, []int{5, 5}, ErrDenied},
		{"declined", []string{codes + "}", `400 {"error":"authorization_declined"}`}, []int{5}, ErrDenied},
		{"expired", []string{codes + "}", `400 {"error":"expired_token"}`}, []int{5}, ErrExpired},
		{"nobody came", []string{`200 {"device_code":"d","user_code":"U","verification_uri":"https://id.example","expires_in":12}`, pending}, []int{5, 5}, ErrExpired},
		{"no network", []string{codes + `,"interval":300}`, "lost"}, []int{300, 305}, syscall.ECONNRESET},
		{"cut by the end of the code", []string{`200 {"device_code":"d","user_code":"U","verification_uri":"https://id.example","expires_in":12}`, pending, "hangs"}, []int{5, 5}, ErrExpired},
		{"no answer", []string{codes + `,"interval":300}`, "hangs", pending}, []int{300, 335}, ErrExpired},
		{"endless interval", []string{codes + `,"interval":9223372036854775807}`, pending}, nil, ErrExpired},
		{"no end", []string{`200 {"device_code":"d","user_code":"U","verification_uri":"https://id.example","interval":600}`, pending}, []int{600}, ErrExpired},
		{"refused", []string{codes + "}", `400 {"error":"invalid_client"}`}, []int{5}, &Error{Status: 400, Code: "invalid_client"}},
	}
	defer func(was http.RoundTripper) { transport = was }(transport)
	p := Provider{TokenURL: "https://id.example/token", DeviceURL: "https://id.example/device", ClientID: "cli", Scopes: []string{"a", "b"}}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &script{answers: test.answers}
				transport = server
				var shown int
				got, err := p.Device(t.Context(), func(_, _ string, expires time.Time) {
					shown++
					if time.Until(expires) <= 0 {
						t.Errorf("the code has expired when it is shown: %v", expires)
					}
				})
				var refusal, wanted *Error
				switch {
				case test.err == nil && (err != nil || got.Access != "at-1" || got.Refresh != "rt-1"):
					t.Errorf("got %#v, %v", got, err)
				case errors.As(test.err, &wanted):
					if !errors.As(err, &refusal) || *refusal != *wanted {
						t.Errorf("got %v, want %v", err, wanted)
					}
				case !errors.Is(err, test.err):
					t.Errorf("got %v, want %v", err, test.err)
				case test.err == ErrExpired && err != ErrExpired:
					t.Errorf("got %v, and the server was asked", err)
				}
				if shown != 1 {
					t.Errorf("shown %d times", shown)
				}
				if got := server.pauses(); !slices.Equal(got, test.pauses) {
					t.Errorf("pauses %v, want %v", got, test.pauses)
				}
				if form := server.forms[0]; form != "client_id=cli&scope=a+b" {
					t.Errorf("asked with %q", form)
				}
			})
		})
	}
}

func TestPollingEndsWithItsContext(t *testing.T) {
	defer func(was http.RoundTripper) { transport = was }(transport)
	synctest.Test(t, func(t *testing.T) {
		transport = &script{answers: []string{codes + "}", pending}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := Provider{TokenURL: "https://id.example/token", DeviceURL: "https://id.example/device", ClientID: "cli"}
		begun := time.Now()
		_, err := p.Device(ctx, func(string, string, time.Time) {})
		if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrExpired) || time.Since(begun) != time.Minute {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
	})
}

// A dripping server sends a byte a second, for ever.
type dripping struct{}

func (dripping) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: drops{req.Context()}}, nil
}

type drops struct{ ctx context.Context }

func (d drops) Read(p []byte) (int, error) {
	select {
	case <-d.ctx.Done():
		return 0, d.ctx.Err()
	case <-time.After(time.Second):
		return copy(p, " "), nil
	}
}

func (drops) Close() error { return nil }

func TestServersThatTakeTheirTime(t *testing.T) {
	defer func(was http.RoundTripper) { transport = was }(transport)
	p := Provider{TokenURL: "https://id.example/token", DeviceURL: "https://id.example/device", RevokeURL: "https://id.example/revoke", ClientID: "cli"}
	for name, call := range map[string]func(context.Context) error{
		"refresh":  func(ctx context.Context) error { _, err := p.Refresh(ctx, "r1"); return err },
		"client":   func(ctx context.Context) error { _, err := p.Client(ctx); return err },
		"device":   func(ctx context.Context) error { _, err := p.Device(ctx, nil); return err },
		"revoke":   func(ctx context.Context) error { return p.Revoke(ctx, "r1") },
		"discover": func(ctx context.Context) error { _, err := Discover(ctx, "https://id.example"); return err },
	} {
		synctest.Test(t, func(t *testing.T) {
			transport = dripping{}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			begun := time.Now()
			err := call(ctx)
			var network *NetworkError
			if !errors.As(err, &network) || !strings.Contains(err.Error(), "no answer within 30s") || time.Since(begun) > 2*patience {
				t.Errorf("%s: %v after %v", name, err, time.Since(begun))
			}
		})
	}
}

func TestCodesThatCannotBeShown(t *testing.T) {
	defer func(was http.RoundTripper) { transport = was }(transport)
	for _, body := range []string{
		`{}`, `[]`, `{"device_code":"d","user_code":"U"}`, `{"device_code":"d","verification_uri":"https://id.example"}`,
		`{"device_code":"d","user_code":"U","verification_uri":"http://id.example"}`,
		`{"device_code":"d","user_code":"U","verification_uri":"javascript:alert(1)"}`,
		`{"device_code":"d","user_code":"U\nvisit https://evil.example","verification_uri":"https://id.example"}`,
		`{"device_code":"d","user_code":"AB\u202eCD","verification_uri":"https://id.example"}`,
		`{"device_code":"d","user_code":"AB\u200bCD","verification_uri":"https://id.example"}`,
		`{"device_code":"d","user_code":"AB\u2800CD","verification_uri":"https://id.example"}`,
	} {
		transport = &script{answers: []string{"200 " + body}}
		p := Provider{TokenURL: "https://id.example/token", DeviceURL: "https://id.example/device", ClientID: "cli"}
		_, err := p.Device(t.Context(), func(url, code string, _ time.Time) { t.Errorf("shown: %q, %q", url, code) })
		if !errors.Is(err, errBadAnswer) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// What a server does once there is a connection is its own doing; what comes
// before may be that of this process's network, proxy or certificates.
func TestWhetherAServerWasReached(t *testing.T) {
	defer func(was http.RoundTripper) { transport = was }(transport)
	hangsUp := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	second := httptest.NewUnstartedServer(hangsUp)
	second.EnableHTTP2 = true
	second.StartTLS()
	defer second.Close()
	first := httptest.NewTLSServer(hangsUp)
	first.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer first.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	defer proxy.Close()
	there, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		url  string
		via  http.RoundTripper
		want bool
	}{
		"HTTP/1.1":       {first.URL, first.Client().Transport, true},
		"HTTP/2":         {second.URL, second.Client().Transport, true},
		"a certificate":  {first.URL, new(http.Transport), false},
		"a proxy":        {"https://id.example", &http.Transport{Proxy: http.ProxyURL(there)}, false},
		"nobody listens": {"http://127.0.0.1:1", new(http.Transport), false},
	} {
		transport = test.via
		_, err := Provider{TokenURL: test.url}.Refresh(t.Context(), "r1")
		var lost *NetworkError
		if !errors.As(err, &lost) || lost.Reached() != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}
