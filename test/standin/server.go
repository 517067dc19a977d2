package standin

import (
	"context"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Config says how the stand-in answers. The zero value listens on a free port of 127.0.0.1, asks for no key, takes every
// model, answers by [Reply] and makes no mistakes.
type Config struct {
	Addr    string                     // TCP address to listen on, "127.0.0.1:0" if empty
	Socket  string                     // path of a unix socket to listen on instead
	TLS     bool                       // HTTPS with HTTP/2; see [Server.CAFile]
	Key     string                     // key to insist on; empty: none is needed; see [Server.SetKey]
	Models  []string                   // models that exist; empty: all
	Reply   func(prompt string) string // what the model says to the last user message; nil: [Reply]
	Faults  Faults                     // what goes wrong; nil: nothing
	RPS     float64                    // requests a second above which it answers 429; 0: no limit
	Latency time.Duration              // wait before every answer
	Batches func(BatchCall) Fate       // how batches go; nil: well
	HangFor time.Duration              // end of every hang and of every endless body, 1 min if zero
	Done    func(Request)              // gets each request just before the last byte of its answer; must not call the Server
}

// Server is a running stand-in. It is an [http.Handler] too, for those who bring their own listener.
type Server struct {
	cfg     Config
	key     atomic.Pointer[string]
	limiter *rate.Limiter // nil without Config.RPS
	log     log
	storage storage
	conns   atomic.Int64

	url    string
	caFile string
	http   *http.Server
	served sync.WaitGroup     // the accept loop
	ctx    context.Context    // of every request; ended by Close
	cancel context.CancelFunc // ends ctx
}

// New makes a stand-in that does not listen.
func New(cfg Config) *Server {
	if cfg.Reply == nil {
		cfg.Reply = Reply
	}
	if cfg.Faults == nil {
		cfg.Faults = func(Call) Fault { return Fault{} }
	}
	if cfg.HangFor == 0 {
		cfg.HangFor = time.Minute
	}
	s := &Server{cfg: cfg, log: log{done: cfg.Done}}
	s.SetKey(cfg.Key)
	if cfg.RPS > 0 {
		s.limiter = newLimiter(cfg.RPS)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// SetKey has the server insist on another key from now on.
func (s *Server) SetKey(key string) { s.key.Store(&key) }

// Start makes a stand-in that listens. Close must be called.
func Start(cfg Config) (*Server, error) {
	s := New(cfg)
	ln, err := s.listen()
	if err != nil {
		return nil, fmt.Errorf("standin: %w", err)
	}
	s.http = &http.Server{
		Handler:     s,
		BaseContext: func(net.Listener) context.Context { return s.ctx },
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, int(s.conns.Add(1)))
		},
		ReadHeaderTimeout: 30 * time.Second,
		ErrorLog:          stdlog.New(io.Discard, "", 0), // clients that break off are our business, not news
	}
	if cfg.TLS {
		if err := s.setTLS(); err != nil {
			ln.Close()
			return nil, fmt.Errorf("standin: %w", err)
		}
	}
	s.served.Go(func() {
		if cfg.TLS {
			s.http.ServeTLS(ln, "", "")
		} else {
			s.http.Serve(ln)
		}
	})
	return s, nil
}

func (s *Server) listen() (net.Listener, error) {
	if s.cfg.Socket != "" {
		s.url = "unix://" + s.cfg.Socket
		return net.Listen("unix", s.cfg.Socket)
	}
	addr := s.cfg.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	scheme := "http"
	if s.cfg.TLS {
		scheme = "https"
	}
	s.url = scheme + "://" + ln.Addr().String() + "/v1"
	return ln, nil
}

// URL is the base URL to give to a client: http://127.0.0.1:PORT/v1, https likewise, or unix:///PATH.
func (s *Server) URL() string { return s.url }

// Conns counts the connections accepted so far.
func (s *Server) Conns() int { return int(s.conns.Load()) }

// Close ends the listener, every connection and every hanging answer, and returns when no request is served any more.
func (s *Server) Close() {
	s.cancel()
	if s.http != nil {
		s.http.Close()
		s.served.Wait()
	}
	s.log.open.Wait()
	if s.caFile != "" {
		os.Remove(s.caFile)
	}
}

// connKey finds the number of its connection in the context of a request.
type connKey struct{}
