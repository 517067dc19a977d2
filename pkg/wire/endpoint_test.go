package wire

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"gptpipe/pkg/llm"
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
		"a key":               {"hunter2hunter2hunter2hunter2", "has to begin with"},
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
		"a relative path":     {"unix:relative", "unix:///PATH"},
		"no path":             {"unix:", "unix:///PATH"},
		"a way up":            {"unix:///run/link/../llm.sock", "plain path"},
		"a way up, escaped":   {"unix:///run/link/%2e%2e/llm.sock", "plain path"},
		"a dot":               {"unix:///run/./llm.sock", "plain path"},
		"two slashes":         {"unix:////run/llm.sock", "plain path"},
		"a folder":            {"unix:///run/llm.sock/", "plain path"},
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

// A resolver can give names under localhost any meaning: what they lead to is
// looked at.
func TestNamesForThisMachine(t *testing.T) {
	defer func(r *net.Resolver) { net.DefaultResolver = r }(net.DefaultResolver)
	net.DefaultResolver = resolver(t, [4]byte{192, 0, 2, 1})
	_, _, err := ask(t, newClient(t, "http://evil.localhost:9/v1", nil), "chat", "hi", false)
	want{llm.Connection, "", 0, false, 0, false, "leads to 192.0.2.1:9"}.check(t, err)
	if !errors.As(err, new(*ForeignError)) {
		t.Error(err)
	}
	net.DefaultResolver = resolver(t, [4]byte{127, 0, 0, 2})
	_, _, err = ask(t, newClient(t, "http://good.localhost:9/v1", nil), "chat", "hi", false)
	want{llm.Connection, "", 0, true, 0, false, "connection refused"}.check(t, err)
	for address, ok := range map[string]bool{
		"127.0.0.1:80": true, "127.8.8.8:80": true, "[::1]:80": true, "[::ffff:127.0.0.1]:80": true,
		"10.0.0.1:80": false, "[2001:db8::1]:80": false, "0.0.0.0:80": false, "[::]:80": false, "": false,
	} {
		if err := OnThisMachine("tcp", address, nil); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// resolver answers every question for an IPv4 address with ip.
func resolver(t *testing.T, ip [4]byte) *net.Resolver {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	go func() {
		for buf := make([]byte, 512); ; {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			end := 12 // of the question: its name, type and class
			for end < n && buf[end] != 0 {
				end += 1 + int(buf[end])
			}
			answer := append([]byte(nil), buf[:end+5]...)
			copy(answer[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
			if buf[end+2] == 1 { // A
				answer[7] = 1
				answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ip[0], ip[1], ip[2], ip[3])
			}
			server.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}
