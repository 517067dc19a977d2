package oauth

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"gptpipe/pkg/panics"
	"gptpipe/pkg/wire"
)

const (
	// patience is how long one request may take.
	patience = 30 * time.Second
	// maxBody is more than any answer of OAuth 2.0 has.
	maxBody = 256 << 10
)

// transport makes a connection for each request: they are few and far between.
var transport http.RoundTripper = &http.Transport{
	Proxy:               proxy,
	DialContext:         dial,
	ForceAttemptHTTP2:   true,
	TLSHandshakeTimeout: patience,
	DisableKeepAlives:   true,
}

// dial keeps what goes to a name for this machine on it.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: patience}
	if e, err := wire.ParseEndpoint("http://" + address); err == nil && e.Local() {
		d.Control = wire.OnThisMachine
	}
	return d.DialContext(ctx, network, address)
}

// proxy is none for this machine: the way there is not to leave it.
func proxy(req *http.Request) (*url.URL, error) {
	e, err := wire.ParseEndpoint(req.URL.Scheme + "://" + req.URL.Host)
	if err == nil && e.Local() {
		return nil, nil
	}
	return http.ProxyFromEnvironment(req)
}

// A carrier takes requests to the server. Other than x/oauth2 it binds each of
// them to the caller's context and closes every body.
type carrier struct {
	ctx context.Context

	polls bool
	lost  error // how the last poll failed on the way, if it did
}

// client is an HTTP client that goes by c.
func (c *carrier) client() *http.Client {
	return &http.Client{
		Transport:     c,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// context makes x/oauth2 go by c.
func (c *carrier) context() context.Context {
	return context.WithValue(c.ctx, oauth2.HTTPClient, c.client())
}

// RoundTrip answers with the whole body read.
func (c *carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.send(req)
	// A poll that is cut because its code has expired is not lost on the way.
	if ended := req.Context().Err(); err != nil && ended != nil {
		return nil, ended
	}
	if !c.polls || wire.Hopeless(err) {
		return resp, err
	}
	c.lost = err
	if err == nil && (resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests) {
		c.lost = newError(resp.StatusCode, "", "")
	}
	if c.lost == nil {
		return resp, nil
	}
	// RFC 8628, section 3.5: when a poll is lost, poll on, and less often.
	return &http.Response{
		StatusCode: http.StatusBadRequest,
		Header:     http.Header{"Content-Type": {"application/json"}},
		Body:       io.NopCloser(strings.NewReader(`{"error":"slow_down"}`)),
		Request:    req,
	}, nil
}

func (c *carrier) send(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), patience)
	defer cancel()
	defer context.AfterFunc(c.ctx, panics.Func(cancel))()
	connected := false
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }})
	resp, err := transport.RoundTrip(req.WithContext(traced))
	if err == nil {
		defer resp.Body.Close()
		var body []byte
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
		resp.Body = io.NopCloser(bytes.NewReader(body))
	}
	if err != nil && ctx.Err() == context.DeadlineExceeded && req.Context().Err() == nil {
		err = fmt.Errorf("no answer within %v", patience)
	}
	if err != nil && !connected {
		err = unconnected{err}
	}
	return resp, err
}
