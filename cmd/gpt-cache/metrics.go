package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"syscall"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/hub"
	"gptpipe/pkg/observe"
)

// prometheus writes the counters of all the user's processes, and what the keeper of the cache holds.
func prometheus(ctx context.Context, user, c *hub.Client) ([]byte, error) {
	totals, err := user.Totals(ctx)
	if err != nil {
		return nil, err
	}
	st, err := c.Stats(ctx)
	if err != nil {
		return nil, err
	}
	totals["gpt_cache_entries"] = float64(st.Entries)
	totals["gpt_cache_bytes"] = float64(st.Bytes)
	totals["gpt_users"] = float64(st.Users)
	var b bytes.Buffer
	err = observe.Write(&b, totals)
	return b.Bytes(), err
}

// scrapeLinger has the keeper that is started for a scrape be there for the next.
const scrapeLinger = cli.Duration(5 * time.Minute)

// contentType is that of the text exposition format.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// A scraped server answers GET /metrics.
type scraped struct {
	*http.Server
	ln net.Listener
}

// listenForScrapes opens addr, so that a wrong one is told before the keeper
// is there.
func listenForScrapes(sys *cli.System, s *settings, addr string) (*scraped, error) {
	ln, err := net.Listen("tcp", addr)
	var busy syscall.Errno // the system's refusal, unlike that of what is no address
	switch {
	case errors.As(err, &busy):
		return nil, cli.Failf(cli.StatusFailed, "--metrics-listen: %w", err)
	case err != nil:
		return nil, cli.Usagef("--metrics-listen: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		text, err := scrape(r.Context(), sys, s)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", contentType)
		w.Write(text)
	})
	sys.Log.Infof("metrics at http://%s/metrics", ln.Addr())
	return &scraped{&http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}, ln}, nil
}

// serve answers until the server is closed.
func (s *scraped) serve(sys *cli.System) {
	if err := s.Serve(s.ln); !errors.Is(err, http.ErrServerClosed) {
		sys.Log.Errorf("--metrics-listen: %v", err)
	}
}

// scrape asks the keeper, which is this process, as any other would, and that of the user's own folder if that is
// another.
func scrape(ctx context.Context, sys *cli.System, s *settings) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	c, err := hub.Open(ctx, hub.Config{Dir: s.cache, RuntimeDir: sys.Getenv("XDG_RUNTIME_DIR")})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	apart := *s
	apart.linger = scrapeLinger
	user, err := apart.openUser(ctx, sys, c)
	if err != nil {
		return nil, err
	}
	defer user.Close()
	return prometheus(ctx, user, c)
}
