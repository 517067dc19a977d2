package credential

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestHostOf(t *testing.T) {
	tests := []struct{ in, want string }{
		{"https://api.openai.com/v1", "api.openai.com"},
		{"https://API.OpenAI.com:443/v1/", "api.openai.com"},
		{"https://api.openai.com:/v1", "api.openai.com"},
		{"https://api.openai.com:80/v1", "api.openai.com:80"},
		{"https://api.openai.com:8443", "api.openai.com:8443"},
		{"http://api.openai.com/v1", "http://api.openai.com"},
		{"http://api.openai.com:/v1", "http://api.openai.com"},
		{"http://localhost:80/v1", "http://localhost"},
		{"http://[::1]/v1", "http://[::1]"},
		{"http://localhost:443/v1", "http://localhost:443"},
		{"http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"},
		{"http://[::1]:8080/v1", "http://[::1]:8080"},
		{"https://[::443]/v1", "[::443]"},
		{"HTTPS://user:password@Example.com/v1", "example.com"},
		{"https://api.openai.com@evil.example/v1", "evil.example"},
		{"https://evil.example#@api.openai.com/v1", "evil.example"},
		{"https://evil.example?x=@api.openai.com/v1", "evil.example"},
		{"unix:///run/model.sock", "unix/run/model.sock"},
		{"unix:///run/..model/a%20b.sock", "unix/run/..model/a b.sock"},
	}
	for _, test := range tests {
		if got, err := HostOf(test.in); got != test.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", test.in, got, err, test.want)
		}
	}
	for _, in := range []string{
		"", "api.openai.com/v1", "api.openai.com", "ftp://api.openai.com", "https://", "https:///v1", "https://:443/v1",
		"https:api.openai.com", "unix://run/model.sock", "unix:model.sock", "unix://",
		"unix:", "unix:///run/link/../model.sock", "unix:///run/link/%2E%2E/model.sock", "unix:///run/./model.sock",
		"unix:////run/model.sock", "unix:///run//model.sock", "unix:///run/model.sock/", "https://evil.example\\@api.openai.com/",
		"https://user:hunter22@host name/", "://", "%zz",
	} {
		var bad *URLError
		got, err := HostOf(in)
		if !errors.As(err, &bad) || got != "" {
			t.Errorf("%q: %q, %v", in, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter22") {
			t.Errorf("the password is repeated: %v", err)
		}
	}
}

// A key goes where the request goes: to the host that the URL's own parser
// sees, whatever stands around it.
func FuzzHostOf(f *testing.F) {
	for _, seed := range []string{
		"https://api.openai.com/v1", "https://api.openai.com@evil.example:443/v1", "http://[::1%25eth0]:80/", "unix:///a/../b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		host, err := HostOf(in)
		if err != nil {
			if host != "" {
				t.Fatalf("%q with error %v", host, err)
			}
			return
		}
		u, err := url.Parse(in)
		if err != nil {
			t.Fatalf("a host of what is no URL: %v", err)
		}
		if u.Scheme == "unix" {
			if host != "unix"+u.Path || strings.Contains(host+"/", "/../") {
				t.Fatalf("%q: bound to %q, and the request goes to %q", in, host, u.Path)
			}
			return
		}
		plain, rest := u.Scheme == "http", host
		if plain {
			rest = strings.TrimPrefix(host, "http://")
		}
		if strings.Contains(rest, "://") || plain == (rest == host) {
			t.Fatalf("%q: %q", in, host)
		}
		again, err := HostOf(u.Scheme + "://" + strings.ReplaceAll(rest, "%", "%25") + "/v1")
		if err != nil || again != host {
			t.Fatalf("%q gives %q, which gives %q, %v", in, host, again, err)
		}
		name, _, _ := strings.Cut(u.Hostname(), "%")
		if !strings.Contains(host, strings.ToLower(name)) {
			t.Fatalf("%q: host %q, but the request goes to %q", in, host, u.Hostname())
		}
	})
}
