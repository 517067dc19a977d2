package http1

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// client makes a client of a TCP address, and counts its connections.
// path is where the tests post to.
const path = "/v1/x%20y"

func client(t *testing.T, addr string, lifetime context.Context) (c *Client, dials *atomic.Int32) {
	t.Helper()
	dials = new(atomic.Int32)
	return New(Options{
		Dial: func(ctx context.Context) (net.Conn, error) {
			dials.Add(1)
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
		Host:     "example.org:80",
		Header:   http.Header{"Authorization": {"Bearer key"}, "X-Evil": {"a\r\nX-Injected: 1"}},
		Lifetime: lifetime,
	}), dials
}

// speaking serves each connection by a script: for every request that comes the next of answers, written as it stands,
// and after the last the connection is closed.
func speaking(t *testing.T, answers ...string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				r := bufio.NewReader(conn)
				for _, a := range answers {
					req, err := http.ReadRequest(r)
					if err != nil {
						return
					}
					io.Copy(io.Discard, req.Body)
					io.WriteString(conn, a)
				}
			})
		}
	})
	return l.Addr().String()
}

func soon() time.Time { return time.Now().Add(10 * time.Second) }

const plain = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// What net/http's server reads is what was posted.
func TestRequest(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if r.Method != "POST" || r.URL.Path != "/v1/x y" || r.Host != "example.org:80" || err != nil ||
			r.Header.Get("Authorization") != "Bearer key" || r.Header["X-Injected"] != nil || r.ContentLength != int64(len(body)) {
			t.Errorf("%s %s %s %v, %v", r.Method, r.URL.Path, r.Host, r.Header, err)
		}
		w.Header().Set("X-Request-Id", "r1")
		w.WriteHeader(http.StatusTeapot)
		w.Write(body)
	}))
	defer s.Close()
	c, dials := client(t, s.Listener.Addr().String(), t.Context())
	for _, size := range []int{0, 1, 4096, MaxBody} {
		body := bytes.Repeat([]byte{'x'}, size)
		a, err := c.Post(path, body, soon(), 1<<20)
		if err != nil || a.Status != http.StatusTeapot || a.Header.Get("X-Request-Id") != "r1" || !bytes.Equal(a.Body, body) {
			t.Fatalf("%d bytes: %+v, %v", size, a, err)
		}
	}
	if dials.Load() != 1 {
		t.Errorf("%d connections", dials.Load())
	}
}

// The ways in which an answer can be written. Those that leave the connection whole are asked again over it.
func TestAnswers(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, "ok")
	z.Close()
	for name, test := range map[string]struct {
		answer string
		kept   bool
		status int
	}{
		"length":        {plain, true, 200},
		"chunks":        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\nTrailer: z\r\n\r\n", true, 200},
		"continue":      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + plain, true, 200},
		"gzip":          {fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", zipped.Len(), zipped.String()), true, 200},
		"to the end":    {"HTTP/1.1 200 OK\r\n\r\nok", false, 200},
		"HTTP/1.0":      {"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", false, 200},
		"close":         {"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", false, 200},
		"more than due": {plain + "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfake", false, 200},
		"an error":      {"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nok", true, 503},
		"no reason":     {"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", true, 200},
	} {
		t.Run(name, func(t *testing.T) {
			answers := []string{test.answer}
			if test.kept {
				answers = append(answers, test.answer)
			}
			c, dials := client(t, speaking(t, answers...), t.Context())
			for range 2 {
				if a, err := c.Post(path, []byte("?"), soon(), 1000); err != nil || a.Status != test.status || string(a.Body) != "ok" {
					t.Errorf("%+v, %v", a, err)
				}
			}
			if kept := dials.Load() == 1; kept != test.kept {
				t.Errorf("%d connections", dials.Load())
			}
		})
	}
}

// What is no answer, or not all of one.
func TestBrokenAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		answer string
		err    error // nil: any
		body   string
	}{
		"nothing":         {"", io.EOF, ""},
		"half a head":     {"HTTP/1.1 200 OK\r\nContent-Le", io.ErrUnexpectedEOF, ""},
		"half a body":     {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", io.ErrUnexpectedEOF, "ok"},
		"none of a body":  {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", io.ErrUnexpectedEOF, ""},
		"half a chunk":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", io.ErrUnexpectedEOF, "ok"},
		"no end of line":  {"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 2*maxHeader), errHeader, ""},
		"too many lines":  {"HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", maxHeader/3), errHeader, ""},
		"early for ever":  {strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", maxHeader/20), errHeader, ""},
		"another tongue":  {"220 mail ESMTP\r\n", nil, ""},
		"a length of air": {"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nok", io.ErrUnexpectedEOF, "ok"},
		"too much":        {"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + strings.Repeat("x", 3000), ErrTooLarge, strings.Repeat("x", 1000)},
		"too many chunks": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n" + strings.Repeat("x", 0xfff) + "\r\n0\r\n\r\n", ErrTooLarge, strings.Repeat("x", 1000)},
		"no gzip":         {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := client(t, speaking(t, test.answer), t.Context())
			a, err := c.Post(path, []byte("?"), soon(), 1000)
			if err == nil || test.err != nil && !errors.Is(err, test.err) {
				t.Errorf("error %v", err)
			}
			if a != nil && test.body != "" && string(a.Body) != test.body {
				t.Errorf("%d bytes of a body", len(a.Body))
			}
			if len(c.idle)+len(c.all) > 0 {
				t.Error("the connection was kept")
			}
		})
	}
}

// A server that has closed a kept connection meanwhile costs nothing.
func TestConnectionClosedMeanwhile(t *testing.T) {
	c, dials := client(t, speaking(t, plain), t.Context())
	for range 3 {
		if _, err := c.Post(path, []byte("?"), soon(), 1000); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Millisecond) // for the server to close it
	}
	if dials.Load() != 3 {
		t.Errorf("%d connections", dials.Load())
	}
}

// A server may answer and close before it has read the body.
func TestAnswerBeforeTheBodyIsRead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno")
			conn.(*net.TCPConn).CloseWrite()
			time.AfterFunc(time.Second, func() { conn.Close() })
		}
	}()
	c, _ := client(t, l.Addr().String(), t.Context())
	for range 20 {
		if a, err := c.Post(path, make([]byte, MaxBody), soon(), 1000); err != nil || a.Status != 413 {
			t.Errorf("%+v, %v", a, err)
		}
	}
}

// What a server says unasked is not taken for the answer to the next request, however large the answer before it was.
func TestAnswerTwice(t *testing.T) {
	large := strings.Repeat("x", 20_000)
	answer := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(large), large)
	c, dials := client(t, speaking(t, answer+strings.Replace(answer, "xxx", "yyy", 1), answer), t.Context())
	for range 3 {
		a, err := c.Post(path, []byte("?"), soon(), 1<<20)
		if err != nil || string(a.Body) != large {
			t.Fatalf("%v, another answer", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if dials.Load() != 3 {
		t.Errorf("%d connections", dials.Load())
	}
}

func TestDeadline(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	c, _ := client(t, silent.Addr().String(), t.Context())
	if _, err := c.Post(path, []byte("?"), time.Now().Add(20*time.Millisecond), 1000); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

// The end of the lifetime ends what is under way, and nothing new is begun.
func TestLifetime(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := client(t, silent.Addr().String(), ctx)
	done := make(chan error)
	for range 4 {
		go func() {
			_, err := c.Post(path, []byte("?"), time.Now().Add(time.Hour), 1000)
			done <- err
		}()
		if _, err := silent.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	for range 4 {
		if err := <-done; err == nil {
			t.Error("an answer")
		}
	}
	if _, err := c.Post(path, []byte("?"), soon(), 1000); err == nil {
		t.Error("an answer after the end")
	}
}

// Each gets the answer to its own question, over no more connections than there are callers.
func TestManyCallers(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Write(body)
	}))
	defer s.Close()
	c, dials := client(t, s.Listener.Addr().String(), t.Context())
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 200 {
				q := strings.Repeat(fmt.Sprint(g, i, " "), 1+i)
				if a, err := c.Post(path, []byte(q), soon(), 1<<20); err != nil || string(a.Body) != q {
					t.Errorf("%.20q of %d bytes: %v", q, len(q), err)
				}
			}
		})
	}
	wg.Wait()
	if dials.Load() > 16 {
		t.Errorf("%d connections", dials.Load())
	}
}
