package standin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTLS(t *testing.T) {
	s := start(t, Config{TLS: true, Faults: MustFaults("at=2:reset")})
	ca, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate in the file")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	for i := range 3 {
		resp, err := client.Post(s.URL()+"/chat/completions", "application/json", strings.NewReader(chat("hi")))
		if i == 1 {
			if err == nil {
				t.Error("no error from a reset stream")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.ProtoMajor != 2 || resp.StatusCode != 200 {
			t.Errorf("%s, status %d", resp.Proto, resp.StatusCode)
		}
	}
	if c := s.Counts(); c.Conns != 1 || c.Paid != 2 {
		t.Errorf("%+v, want one connection and two answers", c)
	}
	if q := s.Requests()[2]; q.Proto != "HTTP/2.0" || q.Conn != 1 {
		t.Errorf("recorded as %+v", q)
	}
	s.Close()
	if _, err := os.Stat(s.CAFile()); !os.IsNotExist(err) {
		t.Errorf("the file of the certificate is still there: %v", err)
	}
}

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	s := start(t, Config{Socket: path, Faults: MustFaults("at=2:reset;at=3:cut-body")})
	if s.URL() != "unix://"+path {
		t.Errorf("URL %s", s.URL())
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	for i, want := range []bool{true, false, false} {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", "http://standin/v1/chat/completions", strings.NewReader(chat("hi")))
		req.Header.Set("Content-Type", "application/json")
		resp, err := transport.RoundTrip(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if (err == nil) != want {
			t.Errorf("request %d: error %v", i+1, err)
		}
	}
}

func TestKeepAlive(t *testing.T) {
	s := start(t, Config{})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport}
	for i := range 5 {
		body := chat(fmt.Sprint("echo ", i))
		if i%2 == 1 {
			body = streamed(body)
		}
		resp, err := client.Post(s.URL()+"/chat/completions", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	if c := s.Counts(); c != (Counts{Total: 5, OK: 5, Paid: 5, Conns: 1, MaxInFlight: 1}) {
		t.Errorf("%+v", c)
	}
}

func TestLog(t *testing.T) {
	var done []int
	s := start(t, Config{Faults: MustFaults("at=2:500"), Done: func(r Request) { done = append(done, r.N) }})
	for _, prompt := range []string{"a", "b", "b", "a", "a"} {
		post(t, s, "/chat/completions", chat(prompt))
	}
	if twice := s.PaidTwice(); len(twice) != 1 || twice[0] != chat("a") {
		t.Errorf("paid twice: %q", twice)
	}
	requests := s.Requests()
	for i, seen := range []int{0, 0, 1, 1, 2} {
		q := requests[i]
		if q.N != i+1 || q.Seen != seen || q.Paid != (i != 1) || q.Took <= 0 || q.Path != "/v1/chat/completions" || q.Method != "POST" ||
			q.Header.Get("Content-Type") != "application/json" || q.Body == "" || q.At.IsZero() || q.Conn != i+1 {
			t.Errorf("request %d: %+v", i, q)
		}
	}
	if fmt.Sprint(done) != "[1 2 3 4 5]" {
		t.Errorf("told of %v", done)
	}
}

// With j clients that each ask as soon as they are answered, there are never more than j in flight, and with a gate that
// opens once j have come, as many as that.
func TestInFlight(t *testing.T) {
	const j = 4
	var gate sync.WaitGroup
	gate.Add(j)
	var once [j]sync.Once
	s := start(t, Config{Reply: func(prompt string) string {
		i := int(prompt[0] - '0')
		once[i].Do(gate.Done)
		gate.Wait()
		return "ok"
	}})
	client := http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: j}}
	defer client.CloseIdleConnections()
	var clients sync.WaitGroup
	for i := range j {
		clients.Go(func() {
			for range 50 {
				resp, err := client.Post(s.URL()+"/chat/completions", "application/json", strings.NewReader(chat(fmt.Sprint(i))))
				if err != nil {
					t.Error(err)
					return
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		})
	}
	clients.Wait()
	if c := s.Counts(); c.MaxInFlight != j || c.Total != 50*j || c.Conns < j { // a Transport may dial once too often
		t.Errorf("%+v, want %d in flight", c, j)
	}
}

func TestMaxPerWindow(t *testing.T) {
	s := New(Config{})
	start := time.Now()
	for _, ms := range []int{0, 400, 800, 999, 1000, 1400, 3000} {
		s.log.requests = append(s.log.requests, &Request{At: start.Add(time.Duration(ms) * time.Millisecond)})
	}
	for d, want := range map[time.Duration]int{time.Second: 4, time.Millisecond: 1, 2 * time.Millisecond: 2, time.Hour: 7} {
		if got := s.MaxPerWindow(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}

func TestRPS(t *testing.T) {
	s := start(t, Config{RPS: 0.001})
	if g := post(t, s, "/chat/completions", chat("hi")); g.status != 200 || g.header.Get("X-Ratelimit-Remaining-Requests") != "0" {
		t.Errorf("status %d, header %v", g.status, g.header)
	}
	g := post(t, s, "/chat/completions", chat("hi"))
	if g.status != 429 || !strings.Contains(g.body, `"code": "rate_limit_exceeded"`) {
		t.Errorf("status %d: %s", g.status, g.body)
	}
	for name, want := range map[string]string{
		"X-Ratelimit-Limit-Requests": "1", "X-Ratelimit-Remaining-Requests": "0",
		"X-Ratelimit-Reset-Requests": "16m", "Retry-After": "1000",
	} {
		if got := g.header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q, want %s…", name, got, want)
		}
	}
	if ms, err := strconv.Atoi(g.header.Get("Retry-After-Ms")); err != nil || ms < 900_000 || ms > 1_000_001 {
		t.Errorf("Retry-After-Ms is %q", g.header.Get("Retry-After-Ms"))
	}
	if s.Requests()[1].Fault != "rps" || s.Paid() != 1 {
		t.Errorf("recorded as %+v", s.Requests()[1])
	}
}

func TestLatency(t *testing.T) {
	s := start(t, Config{Latency: 20 * time.Millisecond})
	begin := time.Now()
	post(t, s, "/chat/completions", chat("hi"))
	if took := time.Since(begin); took < 20*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

// A client that goes away has not been given an answer.
func TestClientGone(t *testing.T) {
	arrived := make(chan struct{})
	s := start(t, Config{Latency: time.Hour, Faults: func(Call) Fault { close(arrived); return Fault{} }})
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(ctx, "POST", s.URL()+"/chat/completions", bytes.NewReader([]byte(chat("hi"))))
	gone := make(chan got)
	go func() { gone <- send(req) }()
	<-arrived
	cancel()
	<-gone
	s.log.open.Wait()
	if q := s.Requests()[0]; q.Status != 0 || q.Paid {
		t.Errorf("recorded as %+v", q)
	}
}
