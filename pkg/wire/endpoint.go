package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"syscall"
	"time"
)

// An Endpoint is where an API is: the root of its URLs, or a unix socket.
type Endpoint struct {
	root   string // without a final slash
	host   string
	tls    bool
	socket string
}

// ParseEndpoint reads a base URL: http(s)://HOST/PATH with its /v1, or
// unix:///PATH for HTTP over that socket, under /v1; see SocketPath.
func ParseEndpoint(base string) (Endpoint, error) {
	u, err := url.Parse(base)
	if err != nil {
		return Endpoint{}, fmt.Errorf("base URL: not a URL")
	}
	switch u.Scheme {
	case "unix":
		if _, err := SocketPath(u); err != nil {
			return Endpoint{}, fmt.Errorf("base URL %s: %w", shown(u), err)
		}
	case "http", "https":
		if u.Hostname() == "" {
			return Endpoint{}, fmt.Errorf("base URL %s: no host", shown(u))
		}
	default: // it is not repeated, for it may be a key in the wrong place
		return Endpoint{}, fmt.Errorf("base URL: it has to begin with https://, http:// or unix://")
	}
	switch {
	case u.User != nil:
		return Endpoint{}, fmt.Errorf("base URL %s: a user or password does not belong there", shown(u))
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return Endpoint{}, fmt.Errorf("base URL %s: no query or fragment can stand there", shown(u))
	case u.Scheme == "unix":
		return Endpoint{root: "http://unix/v1", host: "unix", socket: u.Path}, nil
	}
	ownPort := ":443"
	if u.Scheme == "http" {
		ownPort = ":80"
	}
	u.Host = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(u.Host), ":"), ownPort)
	return Endpoint{
		root: strings.TrimRight(u.String(), "/"),
		host: u.Hostname(),
		tls:  u.Scheme == "https",
	}, nil
}

var (
	errNoSocket = errors.New("a socket is written unix:///PATH, with an absolute path")
	errCrooked  = errors.New("a socket is written with its plain path: no step of it is '.', '..' or empty, and it does not end in '/'")
)

// SocketPath is the path of the socket that a URL of the scheme unix names. One
// that path.Clean would change is refused: behind a symbolic link, ".." leads
// elsewhere than it seems, and what is bound to a path is to stay there.
func SocketPath(u *url.URL) (string, error) {
	switch {
	case u.Host != "" || !path.IsAbs(u.Path):
		return "", errNoSocket
	case path.Clean(u.Path) != u.Path:
		return "", errCrooked
	}
	return u.Path, nil
}

// shown is a URL without the parts that may hold a secret.
func shown(u *url.URL) string {
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, Opaque: u.Opaque}).String()
}

// String is the root of the API's URLs, or the socket: the same for the same
// endpoint, as the cache needs it.
func (e Endpoint) String() string {
	if e.socket != "" {
		return "unix://" + e.socket
	}
	return e.root
}

// at is what users are told of the URL of a path.
func (e Endpoint) at(path string) string {
	if e.socket != "" {
		return e.String() + ", path /v1" + path
	}
	return e.root + path
}

// TLS reports whether the connection is encrypted.
func (e Endpoint) TLS() bool { return e.tls }

// Local reports whether the endpoint is on this machine: a unix socket or a
// loopback address.
func (e Endpoint) Local() bool {
	if e.socket != "" {
		return true
	}
	if ip, err := netip.ParseAddr(e.host); err == nil {
		return ip.IsLoopback()
	}
	host := strings.ToLower(strings.TrimSuffix(e.host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") // RFC 6761
}

// A ForeignError is a name for this machine, such as x.localhost, that leads to
// another.
type ForeignError struct{ Address string }

func (e *ForeignError) Error() string {
	return "the name is one for this machine, and leads to " + e.Address
}

// OnThisMachine is the Control of a net.Dialer to a Local endpoint: it fails
// with *ForeignError where resolvers give a name another meaning.
func OnThisMachine(network, address string, _ syscall.RawConn) error {
	if strings.HasPrefix(network, "unix") {
		return nil
	}
	if a, err := netip.ParseAddrPort(address); err != nil || !a.Addr().IsLoopback() {
		return &ForeignError{address}
	}
	return nil
}

// dialer makes the connections of a transport; if the endpoint is a socket, they all go there.
func (e Endpoint) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	if e.Local() {
		d.Control = OnThisMachine
	}
	if e.socket == "" {
		return d.DialContext
	}
	return func(ctx context.Context, _, _ string) (net.Conn, error) { return dialSocket(ctx, d, e.socket) }
}

// dialSocket waits where more wait for the socket already than its server has
// room for. TCP does so by itself.
func dialSocket(ctx context.Context, d *net.Dialer, path string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.Timeout)
	defer cancel()
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		c, err := d.DialContext(ctx, "unix", path)
		if !errors.Is(err, syscall.EAGAIN) {
			return c, err
		}
		select {
		case <-time.After(wait/2 + rand.N(wait)): // not all at once
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (e Endpoint) transport(jobs int) *http.Transport {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         e.dialer(),
		ForceAttemptHTTP2:   true,
		MaxIdleConns:        jobs,
		MaxIdleConnsPerHost: jobs,
		MaxConnsPerHost:     jobs, // else dials that lose a race against an idle connection go on
		IdleConnTimeout:     90 * time.Second,
		TLSHandshakeTimeout: 15 * time.Second,
		// All requests may share one connection: one that has died is to be
		// noticed before their timeouts, which may be minutes.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
	}
	if e.Local() {
		t.Proxy = nil // the way there is not to leave this machine
	}
	return t
}

// direct reports whether the endpoint is spoken to in plain HTTP/1.1 without a
// proxy between.
func (e Endpoint) direct() bool {
	if e.tls || e.Local() {
		return !e.tls
	}
	u, err := url.Parse(e.root)
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	return proxy == nil && err == nil
}
