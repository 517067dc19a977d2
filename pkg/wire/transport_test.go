package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/test/standin"
)

// inParallel asks n questions, each its own, from a number of workers.
func inParallel(t *testing.T, c *Client, workers, n int) {
	t.Helper()
	var all sync.WaitGroup
	jobs := make(chan int)
	for range workers {
		all.Go(func() {
			for i := range jobs {
				text := fmt.Sprint("number ", i)
				body, err := Encode("chat", &llm.Prompt{Messages: []llm.Message{user("echo " + text)}, Params: llm.Params{Model: "gpt-test"}})
				if err != nil {
					t.Error(err)
					continue
				}
				if resp, err := c.Complete(t.Context(), &llm.Request{Body: body}); err != nil || resp.Text != text {
					t.Errorf("%s: %+v, error %v", text, resp, err)
				}
			}
		})
	}
	for i := range n {
		jobs <- i
	}
	close(jobs)
	all.Wait()
}

// As many connections as workers, and no more: a new one costs a handshake,
// and servers count them. Here all handshakes but the first take longer than
// many answers, so that a connection becomes idle while another is dialled for
// the very request that takes it.
func TestKeepAlive(t *testing.T) {
	s := start(t, standin.Config{})
	c := newClient(t, s.URL(), func(o *Options) { o.Jobs = 16 })
	dial := c.transport.DialContext
	var dials atomic.Int32
	c.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dials.Add(1) > 1 {
			time.Sleep(50 * time.Millisecond)
		}
		return dial(ctx, network, addr)
	}
	inParallel(t, c, 16, 500)
	// net/http drops a connection whose goroutine got no processor for 50 ms:
	// on a busy machine one or two may have to be made again.
	if got := s.Counts(); got.Conns > 16+4 || got.Paid != 500 {
		t.Errorf("%+v for 500 requests of 16 workers", got)
	}
}

// An answer that is an error leaves its connection whole.
func TestKeepAliveAfterErrors(t *testing.T) {
	s := withFaults(t, "every=2:429;every=3:502")
	c := newClient(t, s.URL(), nil)
	for range 12 {
		ask(t, c, "chat", "hi", false)
	}
	if n := s.Conns(); n != 1 {
		t.Errorf("%d connections for 12 requests one by one", n)
	}
}

// secure starts a server with TLS and makes a client that trusts it, of base,
// or of the server itself if that is empty.
func secure(t *testing.T, cfg standin.Config, base func(*standin.Server) string) (*standin.Server, *Client) {
	t.Helper()
	cfg.TLS = true
	s := start(t, cfg)
	ca, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	url := s.URL()
	if base != nil {
		url = base(s)
	}
	c := newClient(t, url, func(o *Options) { o.Jobs = 16 })
	c.transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	return s, c
}

func TestHTTP2(t *testing.T) {
	s, c := secure(t, standin.Config{Faults: standin.MustFaults("body~please fail:reset")}, nil)
	inParallel(t, c, 16, 100)
	_, _, err := ask(t, c, "chat", "please fail", false)
	want{llm.Connection, "", 0, true, 0, false, "stream"}.check(t, err)
	for _, q := range s.Requests() {
		if q.Proto != "HTTP/2.0" {
			t.Errorf("request %d by %s", q.N, q.Proto)
		}
	}
	if got := s.Counts(); got.Paid != 100 || got.Total != 101 || got.Conns > 16 {
		t.Errorf("%+v", got)
	}
}

// All requests share one HTTP/2 connection. If the network loses it without a
// word, they must not wait for their timeouts on it, one after another.
func TestHTTP2NoticesADeadConnection(t *testing.T) {
	hang, asked := standin.MustFaults("hang"), make(chan struct{})
	faults := func(c standin.Call) standin.Fault { close(asked); return hang(c) }
	var network *silent
	_, c := secure(t, standin.Config{Faults: faults}, func(s *standin.Server) string {
		network = newSilent(t, strings.TrimSuffix(strings.TrimPrefix(s.URL(), "https://"), "/v1"))
		return "https://" + network.Addr().String() + "/v1"
	})
	c.transport.HTTP2.SendPingTimeout, c.transport.HTTP2.PingTimeout = 20*time.Millisecond, 20*time.Millisecond
	done := begin(t.Context(), c, question(t, "chat", "hi"))
	<-asked
	network.fallSilent()
	o := <-done
	want{llm.Connection, "", 0, true, 0, false, ""}.check(t, o.err)
}

// A silent is a network that forwards to one address until it loses all
// packets, and tells nobody.
type silent struct {
	net.Listener
	lost chan struct{}
}

func newSilent(t *testing.T, to string) *silent {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &silent{l, make(chan struct{})}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				return
			}
			t.Cleanup(func() { near.Close(); far.Close() })
			go n.forward(near, far)
			go n.forward(far, near)
		}
	}()
	return n
}

func (n *silent) fallSilent() { close(n.lost) }

func (n *silent) forward(to, from net.Conn) {
	buf := make([]byte, 4096)
	for {
		k, err := from.Read(buf)
		if err != nil {
			return
		}
		select {
		case <-n.lost:
		default:
			to.Write(buf[:k])
		}
	}
}

// To ask again would not make a certificate good, nor a server speak TLS; but
// where others have answered, it may reach one of these.
func TestHopelessConnections(t *testing.T) {
	plain, secured := start(t, standin.Config{}), start(t, standin.Config{TLS: true})
	for name, test := range map[string]struct{ base, message string }{
		"a certificate that nobody knows": {secured.URL(), "certificate"},
		"https to a server that has none": {strings.Replace(plain.URL(), "http:", "https:", 1), "TLS"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ask(t, newClient(t, test.base, nil), "chat", "hi", false)
			want{llm.Connection, "", 0, false, 0, false, test.message}.check(t, err)
			var e *llm.Error
			if !errors.As(err, &e) || !e.Final() {
				t.Errorf("it is not seen that no request gets further: %v", err)
			}
			_, err = newClient(t, test.base, nil).Send(t.Context(), Call{Method: "GET", Path: "/models"})
			if !errors.As(err, &e) || e.Retry || !e.Final() {
				t.Errorf("a call: %v", err)
			}
			c := newClient(t, test.base, nil)
			c.answered.Store(true)
			_, _, err = ask(t, c, "chat", "hi", false)
			want{llm.Connection, "", 0, true, 0, false, test.message}.check(t, err)
			if errors.As(err, &e) && e.Final() {
				t.Errorf("one machine of several ends it all: %v", err)
			}
		})
	}
	if n := len(secured.Requests()) + len(plain.Requests()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "llm.sock")
	s := start(t, standin.Config{Socket: path})
	for _, api := range []string{"chat", "responses"} {
		resp, _, err := ask(t, newClient(t, s.URL(), speaking(api)), api, "echo hi", false)
		if err != nil || resp.Text != "hi" {
			t.Errorf("%s: %+v, error %v", api, resp, err)
		}
	}
	if path := s.Requests()[0].Path; path != "/v1/chat/completions" {
		t.Errorf("asked for %s", path)
	}
	s.Close()
	_, _, err := ask(t, newClient(t, s.URL(), nil), "chat", "hi", false)
	want{llm.Connection, "", 0, true, 0, false, "unix"}.check(t, err)
}

// A server with more callers than it takes at once is waited for.
func TestSocketWithAQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "llm.sock")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	for { // until the queue is full
		c, err := net.Dial("unix", path)
		if errors.Is(err, syscall.EAGAIN) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}

	ctx, stop := context.WithCancel(t.Context())
	dials := 0
	d := &net.Dialer{Timeout: time.Hour, Control: func(string, string, syscall.RawConn) error {
		if dials++; dials == 3 {
			stop()
		}
		return nil
	}}
	if c, err := dialSocket(ctx, d, path); err == nil || dials != 3 {
		t.Errorf("%v, error %v, after %d dials", c, err, dials)
	}

	dials = 0
	d.Control = func(string, string, syscall.RawConn) error {
		if dials++; dials == 3 {
			first, _, err := syscall.Accept(fd)
			if err != nil {
				t.Error(err)
			}
			syscall.Close(first)
		}
		return nil
	}
	c, err := dialSocket(t.Context(), d, path)
	if err != nil || dials != 3 {
		t.Fatalf("error %v after %d dials", err, dials)
	}
	c.Close()
}

// blocking is a server whose model says nothing before it is let.
func blocking(t *testing.T) (s *standin.Server, asked, let chan struct{}) {
	asked, let = make(chan struct{}, 1), make(chan struct{})
	s = start(t, standin.Config{Reply: func(string) string {
		asked <- struct{}{}
		<-let
		return "done"
	}})
	return s, asked, let
}

type outcome struct {
	resp *llm.Response
	err  error
}

func begin(ctx context.Context, c *Client, req *llm.Request) chan outcome {
	done := make(chan outcome, 1)
	go func() {
		resp, err := c.Complete(ctx, req)
		done <- outcome{resp, err}
	}()
	return done
}

// An attempt under way will be paid for: a soft stop takes it in.
func TestSoftStopTakesTheAnswerIn(t *testing.T) {
	s, asked, let := blocking(t)
	ctx, stop := context.WithCancelCause(t.Context())
	done := begin(ctx, newClient(t, s.URL(), nil), question(t, "chat", "hi"))
	<-asked
	stop(errStopped)
	close(let)
	if o := <-done; o.err != nil || o.resp.Text != "done" {
		t.Errorf("%+v, error %v", o.resp, o.err)
	}
}

func TestEndOfLifetimeCutsTheAttempt(t *testing.T) {
	s, asked, let := blocking(t)
	defer close(let)
	lifetime, end := context.WithCancelCause(t.Context())
	c := newClient(t, s.URL(), func(o *Options) { o.Lifetime = lifetime })
	done := begin(t.Context(), c, question(t, "chat", "hi"))
	<-asked
	end(errStopped)
	if o := <-done; o.err != errStopped {
		t.Errorf("%+v, error %v", o.resp, o.err)
	}
}

func TestNothingIsBegunAfterASoftStop(t *testing.T) {
	s := start(t, standin.Config{})
	c := newClient(t, s.URL(), nil)
	if _, err := c.Complete(stopped(), question(t, "chat", "hi")); err != errStopped {
		t.Errorf("error %v", err)
	}
	if s.Conns() != 0 {
		t.Error("a connection was opened")
	}
}

// One map serves all requests at once, so that the key is in memory once.
func TestHeaderIsSharedAndUnchanged(t *testing.T) {
	s := withFaults(t, "every=3:gzip;every=5:redirect;every=7:reset")
	c := newClient(t, s.URL(), func(o *Options) {
		o.Organization, o.Project, o.UserAgent = "org-1", "proj-1", "gptpipe/test"
	})
	before := c.header.Load().Clone()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				c.Complete(t.Context(), &llm.Request{Body: []byte(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`)})
			}
		})
	}
	all.Wait()
	if !reflect.DeepEqual(*c.header.Load(), before) {
		t.Errorf("before %v\nafter %v", before, *c.header.Load())
	}
	for _, q := range s.Requests() {
		for name, want := range map[string]string{
			"Authorization": "Bearer " + testKey, "Openai-Organization": "org-1", "Openai-Project": "proj-1",
			"User-Agent": "gptpipe/test", "Content-Type": "application/json",
		} {
			if got := q.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

// Azure has a header of its own for the key; without a key none is sent.
func TestKeyHeader(t *testing.T) {
	for name, test := range map[string]struct{ api, key, authorization, apiKey string }{
		"chat":      {"chat", testKey, "Bearer " + testKey, ""},
		"responses": {"responses", testKey, "Bearer " + testKey, ""},
		"azure":     {"azure", testKey, "", testKey},
		"no key":    {"chat", "", "", ""},
		"none here": {"azure", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, standin.Config{})
			c := newClient(t, s.URL(), func(o *Options) { o.API, o.Key = test.api, test.key })
			if _, _, err := ask(t, c, test.api, "hi", false); err != nil {
				t.Fatal(err)
			}
			h := s.Requests()[0].Header
			if h.Get("Authorization") != test.authorization || h.Get("Api-Key") != test.apiKey {
				t.Errorf("Authorization %q, Api-Key %q", h.Get("Authorization"), h.Get("Api-Key"))
			}
		})
	}
}

// A second attempt has the same bytes, or the server would not know it again.
func TestBodyIsTheSameOnARetry(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := withFaults(t, "seen=0:500;seen=1:reset;seen=2:cut-body=0")
		c := newClient(t, s.URL(), nil)
		req := question(t, "chat", "echo hi")
		if stream {
			req.OnDelta = func(string) {}
		}
		var err error
		for range 4 {
			_, err = c.Complete(t.Context(), req)
		}
		sent := s.Requests()
		if err != nil || len(sent) != 4 || sent[3].Seen != 3 {
			t.Errorf("stream %t: %d requests, the last after %d with its body, error %v", stream, len(sent), sent[len(sent)-1].Seen, err)
		}
	}
}

// A dial that takes too long is not the timeout of an attempt, and must not
// be told as one.
func TestDialTimeoutIsAConnectionError(t *testing.T) {
	endpoint, err := ParseEndpoint("http://127.0.0.1:1/v1")
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(Options{Endpoint: endpoint, API: "chat", Timeout: time.Minute, Jobs: 1, Lifetime: t.Context()})
	c.transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		return (&net.Dialer{Deadline: time.Now().Add(-time.Second)}).DialContext(ctx, network, addr)
	}
	_, _, err = ask(t, c, "chat", "hi", false)
	want{llm.Connection, "", 0, true, 0, false, "i/o timeout"}.check(t, err)
}

// Servers that do what the stand-in does not.
func TestOtherServers(t *testing.T) {
	const answer = `{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}`
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    want
	}{
		"another status of success": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, answer)
		}, want{}},
		"a success without a body": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusNoContent)
		}, want{llm.BadResponse, "", 200, true, 0, false, "empty"}},
		"an error that breaks off keeps its status": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, "slowly, please")
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, want{llm.RateLimit, "", 429, true, 7 * time.Second, false, "slowly, please"}},
		"a connection closed without an answer": {func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				conn.Close()
			}
		}, want{llm.Connection, "", 0, true, 0, false, "closed the connection without an answer"}},
		"a stream asked for and none given": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprint(w, "\n"+answer)
		}, want{}},
		"an empty error without end": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}, want{llm.Server, "", 503, true, 0, false, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{Handler: test.handler}
			go server.Serve(l)
			defer server.Close()
			for _, stream := range []bool{false, true} {
				c := newClient(t, "http://"+l.Addr().String()+"/v1", nil)
				c.maxAnswer = 1 << 20
				_, deltas, err := ask(t, c, "chat", "hi", stream)
				switch {
				case test.want != want{}:
					if stream && test.want.typ == llm.BadResponse {
						test.want.message = "cut before its end"
					}
					test.want.check(t, err)
				case err != nil:
					t.Error(err)
				case stream && deltas != "hi":
					t.Errorf("streamed %q", deltas)
				}
			}
		})
	}
}
