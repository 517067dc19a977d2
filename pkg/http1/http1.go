// Package http1 posts to one plain HTTP/1.1 server over kept connections, with
// less work for each request than net/http's transport: the header of the request
// is built once, a request goes out with one write, and the goroutine that
// sends it reads the answer, so that nothing is handed from one to another.
// That is some half of the processor time.
//
// It is for bodies and answers that fit in memory, from a server that can be
// dialled directly. What it does not do, net/http is for: TLS, HTTP/2, proxies,
// compressed answers, streams, and bodies that are larger than [MaxBody], which
// are to be sent while the answer is read. Answers are parsed by
// [http.ReadResponse].
package http1

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"gptpipe/pkg/panics"
)

// MaxBody is the largest body that is taken, in bytes. It fits into the buffers
// of a socket, so that a server which answers before it has read all of it
// does not stand against a client that has not sent all of it.
const MaxBody = 64 << 10

const (
	maxHeader = 1 << 20 // bytes of an answer's, as net/http's server takes of a request's
	trusted   = 1 << 20 // bytes that are set aside for an answer because it says that it has so many
)

// ErrTooLarge says that an answer is larger than was allowed.
var ErrTooLarge = errors.New("the answer is too large")

// Options say where a Client posts to.
type Options struct {
	Dial   func(ctx context.Context) (net.Conn, error)
	Host   string // of the Host field
	Header http.Header

	// Lifetime ends what is under way.
	Lifetime context.Context
}

// A Client posts to one server. It has as many connections as there are calls of
// Post at once, and keeps them. It is safe for concurrent use.
type Client struct {
	o    Options
	head atomic.Pointer[[]byte] // from behind the path to the name of the last field, which is the length

	mu    sync.Mutex
	idle  []*conn // the last used is the last
	all   map[*conn]struct{}
	ended bool
}

// New makes a Client; it opens no connection.
func New(o Options) *Client {
	c := &Client{o: o, all: map[*conn]struct{}{}}
	c.SetHeader(o.Header)
	context.AfterFunc(o.Lifetime, panics.Func(c.end))
	return c
}

// SetHeader has the posts that begin from now on go out with another header.
func (c *Client) SetHeader(h http.Header) {
	var head bytes.Buffer
	fmt.Fprintf(&head, " HTTP/1.1\r\nHost: %s\r\n", c.o.Host)
	h.Write(&head) // which takes no line break into a value
	head.WriteString("Content-Length: ")
	b := head.Bytes()
	c.head.Store(&b)
}

// An Answer is what a server said.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Post sends a body to a path, which is as it stands in the request line,
// escaped, and reads the answer, of which the body may have so many bytes, else
// the error is ErrTooLarge. If the answer breaks off in its body,
// what came of it is returned together with the error.
func (c *Client) Post(path string, body []byte, deadline time.Time, maxAnswer int64) (*Answer, error) {
	conn, err := c.get(deadline)
	if err != nil {
		return nil, err
	}
	a, keep, err := conn.exchange(path, *c.head.Load(), body, deadline, maxAnswer)
	c.put(conn, keep && err == nil)
	return a, err
}

// get returns a connection that has been kept, or a new one.
func (c *Client) get(deadline time.Time) (*conn, error) {
	for {
		c.mu.Lock()
		n := len(c.idle)
		if n == 0 {
			c.mu.Unlock()
			return c.dial(deadline)
		}
		conn := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		if conn.alive() {
			return conn, nil
		}
		c.put(conn, false)
	}
}

func (c *Client) dial(deadline time.Time) (*conn, error) {
	ctx, cancel := context.WithDeadline(c.o.Lifetime, deadline)
	defer cancel()
	nc, err := c.o.Dial(ctx)
	if err != nil {
		return nil, err
	}
	conn := newConn(nc)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		nc.Close()
		return nil, context.Cause(c.o.Lifetime)
	}
	c.all[conn] = struct{}{}
	return conn, nil
}

// put keeps a connection, or closes it.
func (c *Client) put(conn *conn, keep bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if keep && !c.ended {
		c.idle = append(c.idle, conn)
		return
	}
	delete(c.all, conn)
	conn.net.Close()
}

// end closes all connections, so that what waits on one fails.
func (c *Client) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for conn := range c.all {
		conn.net.Close()
	}
}

// exchange sends a request and reads its answer. It reports whether the
// connection can take another.
func (cn *conn) exchange(path string, head, body []byte, deadline time.Time, maxAnswer int64) (a *Answer, keep bool, err error) {
	if err := cn.net.SetDeadline(deadline); err != nil {
		return nil, false, err
	}
	cn.out = append(cn.out[:0], "POST "...)
	cn.out = append(cn.out, path...)
	cn.out = append(cn.out, head...)
	cn.out = strconv.AppendInt(cn.out, int64(len(body)), 10)
	cn.out = append(cn.out, "\r\n\r\n"...)
	cn.out = append(cn.out, body...)
	// A server that does not want the body may answer and close: its answer says more than that.
	_, writeErr := cn.net.Write(cn.out)
	if writeErr != nil && !errors.Is(writeErr, syscall.EPIPE) && !errors.Is(writeErr, syscall.ECONNRESET) {
		return nil, false, writeErr
	}
	resp, err := cn.readHead()
	if err != nil {
		return nil, false, cmp.Or(writeErr, err)
	}
	a = &Answer{Status: resp.StatusCode, Header: resp.Header}
	a.Body, err = readBody(resp, maxAnswer)
	keep = writeErr == nil && !resp.Close && resp.StatusCode != http.StatusSwitchingProtocols && cn.in.Buffered() == 0
	return a, keep, err
}

// readHead reads the head of the final answer; before it there may be some
// that say that one is coming.
func (cn *conn) readHead() (*http.Response, error) {
	cn.limit = maxHeader
	defer func() { cn.limit = -1 }()
	for {
		if _, err := cn.in.Peek(1); err != nil {
			return nil, err // io.EOF if there was no answer at all
		}
		resp, err := http.ReadResponse(cn.in, nil)
		switch {
		case err == nil:
		case cn.limit == 0:
			return nil, errHeader
		case cn.ended: // what came before that is half a line
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
		if resp.StatusCode/100 != 1 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

func readBody(resp *http.Response, limit int64) ([]byte, error) {
	if resp.Header.Get("Content-Encoding") == "gzip" { // unasked, but that is how some servers are
		in, err := gzip.NewReader(resp.Body)
		if err != nil {
			return nil, err
		}
		return readAll(in, limit)
	}
	if resp.ContentLength < 0 || resp.ContentLength > min(limit, trusted) {
		return readAll(resp.Body, limit)
	}
	body := make([]byte, resp.ContentLength)
	n, err := io.ReadFull(resp.Body, body)
	if errors.Is(err, io.EOF) && n < len(body) {
		err = io.ErrUnexpectedEOF
	}
	return body[:n], err
}

func readAll(in io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(in, limit+1))
	if int64(len(body)) > limit {
		return body[:limit], ErrTooLarge
	}
	return body, err
}
