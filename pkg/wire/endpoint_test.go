package wire

import (
	"strings"
	"testing"
)

func TestParseEndpoint(t *testing.T) {
	for _, test := range []struct {
		name, base, want string
		local, tls       bool
	}{
		{"as it is", "https://api.openai.com/v1", "https://api.openai.com/v1", false, true},
		{"a final slash", "https://api.openai.com/v1//", "https://api.openai.com/v1", false, true},
		{"host and scheme in capitals", "HTTPS://API.OpenAI.com/v1", "https://api.openai.com/v1", false, true},
		{"the path keeps its case", "https://example.org/Openai/V1", "https://example.org/Openai/V1", false, true},
		{"the port that is meant anyway", "https://example.org:443/v1", "https://example.org/v1", false, true},
		{"the other scheme's port", "https://example.org:80/v1", "https://example.org:80/v1", false, true},
		{"an empty port", "http://example.org:/v1", "http://example.org/v1", false, false},
		{"plain, far away", "http://example.org:80/v1", "http://example.org/v1", false, false},
		{"no path", "https://example.org", "https://example.org", false, true},
		{"escapes in the path", "https://example.org/a%2Fb/v1", "https://example.org/a%2Fb/v1", false, true},
		{"loopback", "http://127.0.0.1:8080/v1", "http://127.0.0.1:8080/v1", true, false},
		{"all of 127/8 is loopback", "http://127.9.9.9/v1", "http://127.9.9.9/v1", true, false},
		{"loopback, IPv6", "http://[::1]:8080/v1", "http://[::1]:8080/v1", true, false},
		{"loopback, IPv4 in IPv6", "http://[::ffff:127.0.0.1]/v1", "http://[::ffff:127.0.0.1]/v1", true, false},
		{"localhost", "http://LocalHost:1/v1", "http://localhost:1/v1", true, false},
		{"localhost, rooted", "http://localhost./v1", "http://localhost./v1", true, false},
		{"a name under localhost", "http://gpu.localhost/v1", "http://gpu.localhost/v1", true, false},
		{"a name that only ends so", "http://notlocalhost/v1", "http://notlocalhost/v1", false, false},
		{"localhost in front", "http://localhost.example.org/v1", "http://localhost.example.org/v1", false, false},
		{"a loopback address in a name", "http://127.0.0.1.example.org/v1", "http://127.0.0.1.example.org/v1", false, false},
		{"all interfaces are not loopback", "http://0.0.0.0/v1", "http://0.0.0.0/v1", false, false},
		{"a private network is not loopback", "http://10.0.0.1/v1", "http://10.0.0.1/v1", false, false},
		{"a socket", "unix:///run/llm.sock", "unix:///run/llm.sock", true, false},
		{"a socket with a space", "unix:///run/a%20b", "unix:///run/a b", true, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			e, err := ParseEndpoint(test.base)
			if err != nil {
				t.Fatal(err)
			}
			if e.String() != test.want || e.Local() != test.local || e.TLS() != test.tls {
				t.Errorf("%s, local %t, TLS %t", e, e.Local(), e.TLS())
			}
			// A proxy would see what is plain text on this machine alone.
			if proxied := e.transport(1).Proxy != nil; proxied == test.local {
				t.Errorf("a proxy may be used: %t", proxied)
			}
		})
	}
}

func TestParseEndpointRefuses(t *testing.T) {
	for name, test := range map[string]struct{ base, message string }{
		"nothing":             {"", "has to begin with"},
		"no scheme":           {"api.openai.com/v1", "has to begin with"},
		"a host and a port":   {"localhost:8080/v1", "has to begin with"},
		"an address":          {"127.0.0.1:8080/v1", "not a URL"},
		"another scheme":      {"ftp://example.org/v1", "has to begin with"},
		"no host":             {"https:///v1", "no host"},
		"a port alone":        {"http://:80/v1", "no host"},
		"a password":          {"https://me:hunter2@example.org/v1", "a user or password"},
		"a user":              {"https://sk-key@example.org/v1", "a user or password"},
		"a query":             {"https://example.org/v1?api-version=1", "no query or fragment"},
		"an empty query":      {"https://example.org/v1?", "no query or fragment"},
		"a fragment":          {"https://example.org/v1#x", "no query or fragment"},
		"not a URL":           {"https://exa mple.org", "not a URL"},
		"a control character": {"https://example.org/\n", "not a URL"},
		"a relative socket":   {"unix://run/llm.sock", "unix:///PATH"},
		"a socket and no way": {"unix://", "unix:///PATH"},
		"a folder":            {"unix:relative", "unix:///PATH"},
		"a socket's query":    {"unix:///run/llm.sock?x", "no query or fragment"},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := ParseEndpoint(test.base)
			if err == nil {
				t.Fatalf("taken as %s", e)
			}
			if !strings.Contains(err.Error(), test.message) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q, want %q in it", err, test.message)
			}
		})
	}
}
