// Package wire speaks the OpenAI APIs over HTTP: it encodes a prompt as a
// request body, sends it, and reads the answer, whole or as a stream of
// server-sent events.
//
// A Client is the innermost Completer: it makes one attempt, and says of each
// failure what kind it is, whether another attempt may help, and how long the
// server asked to wait. It never follows a redirect, for that would carry the
// key to another place.
//
// Whole answers from a plain HTTP server are fetched by package http1, which
// costs half of what net/http does; everything else goes through net/http: TLS
// and HTTP/2, proxies, streams, large bodies.
package wire

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"gptpipe/pkg/http1"
	"gptpipe/pkg/llm"
)

// maxAnswer bounds the body of one answer, in bytes: a server that never stops
// is cut off there. It is twice what a line of records may surely have, for an
// answer that repeats one; many embeddings are some 10 MB.
const maxAnswer = 128 << 20

// Options describe an endpoint and how to speak to it.
type Options struct {
	Endpoint     Endpoint
	API          string // chat, responses or azure
	Embed        bool   // embeddings are asked for, not answers
	Key          string // empty: none is sent
	Token        bool   // the key is an access token of OAuth 2.0
	Organization string // OpenAI-Organization, or empty
	Project      string // OpenAI-Project, or empty
	UserAgent    string
	Timeout      time.Duration // of one attempt, to the last byte of the answer
	Jobs         int           // connections at most; all are kept

	// Lifetime ends attempts under way; the context of Complete only keeps
	// them from being begun.
	Lifetime context.Context
}

// A Client sends requests to one endpoint.
type Client struct {
	format    format
	endpoint  Endpoint
	root      string
	rootPath  string // of root, escaped
	azure     bool
	header    atomic.Pointer[http.Header] // shared by all requests, so that the key has one copy
	transport *http.Transport
	plain     *http1.Client // nil: the endpoint is not one for it
	timeout   time.Duration
	lifetime  context.Context
	maxAnswer int64
	answered  atomic.Bool // over net/http, be it to refuse
	served    atomic.Bool // there is an API: it has answered, or objected to what was asked
	finding   sync.Mutex  // held while that is found out
	nowhere   bool        // what was found then: there is none
}

// NewClient makes a client; it opens no connection.
func NewClient(o Options) *Client {
	f := formatOf(o.API)
	if o.Embed {
		f = embeddings
	}
	c := &Client{
		format:    f,
		endpoint:  o.Endpoint,
		root:      o.Endpoint.root,
		transport: o.Endpoint.transport(o.Jobs),
		timeout:   o.Timeout,
		lifetime:  o.Lifetime,
		maxAnswer: maxAnswer,
		azure:     o.API == "azure",
	}
	header := http.Header{
		"Content-Type": {"application/json"},
		"User-Agent":   {o.UserAgent},
	}
	if o.Organization != "" {
		header["Openai-Organization"] = []string{o.Organization}
	}
	if o.Project != "" {
		header["Openai-Project"] = []string{o.Project}
	}
	c.header.Store(&header)
	if u, err := url.Parse(c.root); err == nil && o.Endpoint.direct() {
		c.rootPath = u.EscapedPath()
		c.plain = c.newPlain(o, u)
	}
	c.SetKey(o.Key, o.Token)
	return c
}

// SetKey has the attempts that begin from now on show another key, or access
// token; empty: none.
func (c *Client) SetKey(key string, token bool) {
	header := maps.Clone(*c.header.Load())
	delete(header, "Api-Key")
	delete(header, "Authorization")
	switch {
	case key == "":
	case c.azure && !token:
		header["Api-Key"] = []string{key}
	default:
		header["Authorization"] = []string{"Bearer " + key}
	}
	c.header.Store(&header)
	if c.plain != nil {
		c.plain.SetHeader(header)
	}
}

func (c *Client) newPlain(o Options, root *url.URL) *http1.Client {
	addr := net.JoinHostPort(root.Hostname(), cmp.Or(root.Port(), "80"))
	return http1.New(http1.Options{
		Dial:     func(ctx context.Context) (net.Conn, error) { return c.transport.DialContext(ctx, "tcp", addr) },
		Host:     root.Host,
		Header:   *c.header.Load(),
		Lifetime: o.Lifetime,
	})
}

// Complete makes one attempt. Its errors are *llm.Error, or the cause of ctx
// or of the client's lifetime.
func (c *Client) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	begin := time.Now()
	emitted := false
	one := req
	if req.OnDelta != nil {
		one = new(*req)
		one.OnDelta = func(text string) { emitted = true; req.OnDelta(text) }
	}
	resp, err := c.attempt(one, begin)
	var e *llm.Error
	switch {
	case err == nil:
		resp.Elapsed = time.Since(begin)
		c.isServed()
		return resp, nil
	case c.lifetime.Err() != nil:
		return nil, context.Cause(c.lifetime)
	case errors.As(err, &e):
		c.judge(e, req)
	case time.Since(begin) >= c.timeout: // a dial has a timeout of its own
		e = &llm.Error{Type: llm.Timeout, Message: fmt.Sprintf("no whole answer within %v", c.timeout), Retry: true, Err: err}
	default:
		e = c.connectionError(err)
	}
	if emitted {
		e.Retry = false
	}
	return nil, e
}

// attempt sends a request, by the way that is its.
func (c *Client) attempt(req *llm.Request, begin time.Time) (*llm.Response, error) {
	if c.plain != nil && req.OnDelta == nil && len(req.Body) <= http1.MaxBody {
		return c.post(req, begin.Add(c.timeout))
	}
	return c.roundTrip(req)
}

// post fetches a whole answer.
func (c *Client) post(req *llm.Request, deadline time.Time) (*llm.Response, error) {
	f := c.formatFor(req)
	a, err := c.plain.Post(c.rootPath+f.path, req.Body, deadline, c.maxAnswer)
	if a == nil {
		return nil, err
	}
	return c.whole(f, a.Status, a.Header, a.Body, err)
}

func (c *Client) formatFor(req *llm.Request) format {
	if req.Path != "" {
		return entire(req.Path)
	}
	return c.format
}

// whole reads an answer that is no stream; err is why its body broke off.
func (c *Client) whole(f format, status int, header http.Header, body []byte, err error) (*llm.Response, error) {
	body = bytes.TrimPrefix(body, []byte("\ufeff"))
	switch {
	case status/100 != 2: // which says more than a body that breaks off
		return nil, httpError(status, header, body)
	case errors.Is(err, http1.ErrTooLarge), errors.As(err, new(*http.MaxBytesError)):
		return nil, tooLarge(status, c.maxAnswer)
	case err != nil:
		return nil, err
	}
	resp, err := f.read(body)
	if err == nil {
		headers(resp, header)
	}
	return resp, err
}

// headers takes over what the header of an answer says.
func headers(resp *llm.Response, h http.Header) {
	resp.RequestID = requestID(h)
	resp.Allowed.Requests = allowance(h, "Requests")
	resp.Allowed.Tokens = allowance(h, "Tokens")
}

func tooLarge(status int, limit int64) error {
	return &llm.Error{Type: llm.BadResponse, Status: status, Message: fmt.Sprintf("the answer is larger than %d MiB", limit>>20)}
}

// roundTrip fetches an answer through net/http, as a stream if one is wanted.
func (c *Client) roundTrip(req *llm.Request) (*llm.Response, error) {
	ctx, cancel := context.WithTimeout(c.lifetime, c.timeout)
	defer cancel()
	f, body := c.formatFor(req), req.Body
	if req.OnDelta != nil {
		body = f.streaming(body)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.root+f.path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = *c.header.Load()
	// The transport itself, not http.Client: it follows no redirect.
	answer, err := c.transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	c.answered.Store(true)
	defer answer.Body.Close()
	answer.Body = http.MaxBytesReader(nil, answer.Body, c.maxAnswer)

	resp, err := c.read(f, answer, req.OnDelta)
	if errors.As(err, new(*http.MaxBytesError)) {
		return nil, tooLarge(answer.StatusCode, c.maxAnswer)
	}
	return resp, err
}

func (c *Client) read(f format, answer *http.Response, onDelta func(string)) (*llm.Response, error) {
	in := bufio.NewReader(answer.Body)
	if answer.StatusCode/100 == 2 && onDelta != nil && !beginsObject(in) {
		resp, err := f.readStream(in, onDelta)
		if err == nil {
			headers(resp, answer.Header)
		}
		return resp, err
	}
	body, err := io.ReadAll(in)
	resp, err := c.whole(f, answer.StatusCode, answer.Header, body, err)
	if err == nil && onDelta != nil {
		onDelta(resp.Text) // a server that does not stream
	}
	return resp, err
}

// beginsObject reports whether a body is a JSON object and not a stream of
// events: of a server that does not stream, or behind a proxy that gets the
// Content-Type wrong.
func beginsObject(in *bufio.Reader) bool {
	head, _ := in.Peek(8) // the shortest event with data in it is longer
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	return bytes.HasPrefix(head, []byte("{"))
}

func requestID(h http.Header) string {
	if id := h.Get("X-Request-Id"); id != "" {
		return id
	}
	return h.Get("Apim-Request-Id") // Azure
}

// connectionError is what became of an attempt without an answer. Where there
// have been answers, one machine of several may be at fault, and for a while.
func (c *Client) connectionError(err error) *llm.Error {
	fatal := Hopeless(err) && !c.answered.Load()
	return &llm.Error{Type: llm.Connection, Message: plainWords(err), Retry: !fatal, Fatal: fatal, Err: err}
}

// Hopeless reports whether a failed connection will fail the same way again:
// a certificate that is not trusted, a server that speaks no TLS, or one that is
// another machine by a name for this one.
func Hopeless(err error) bool {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var authority x509.UnknownAuthorityError
	return errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &authority) || errors.As(err, new(*ForeignError))
}

// plainWords says what broke without repeating the address twice.
func plainWords(err error) string {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "the connection was cut in the middle of the answer"
	case errors.Is(err, io.EOF):
		return "the server closed the connection without an answer"
	}
	return err.Error()
}
