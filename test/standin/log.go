package standin

import (
	"net/http"
	"sync"
	"time"
)

// Request is one request as it was seen and what became of it.
type Request struct {
	N      int           `json:"n"`       // from 1, in order of arrival
	At     time.Time     `json:"at"`      // when its header had been read
	Took   time.Duration `json:"took_ns"` // until the last byte of the answer was handed over; 0: still at it
	Conn   int           `json:"conn"`    // number of its connection, from 1
	Proto  string        `json:"proto"`   // HTTP/1.1 or HTTP/2.0
	Method string        `json:"method"`
	Path   string        `json:"path"`
	Host   string        `json:"host"`
	Header http.Header   `json:"header"`
	Body   string        `json:"body"`
	Seen   int           `json:"seen"`            // how many requests before it had this very body
	Fault  string        `json:"fault,omitempty"` // text form of the fault that was applied
	Status int           `json:"status"`          // 0: no answer was begun
	Paid   bool          `json:"paid"`            // the answer was a good one and all of it was sent
}

// Counts sums a run up.
type Counts struct {
	Total       int // requests seen
	OK          int // answered with status 200, spoilt answers included
	Paid        int // see [Server.Paid]
	Conns       int // connections accepted
	MaxInFlight int // most requests being answered at one time
}

// log holds the requests. Its zero value is ready.
type log struct {
	done     func(Request)
	mu       sync.Mutex
	requests []*Request
	seen     map[string]int
	inFlight int
	maximum  int
	open     sync.WaitGroup
}

func (l *log) arrive(r *http.Request) *Request {
	at := time.Now()
	conn, _ := r.Context().Value(connKey{}).(int)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open.Add(1)
	l.inFlight++
	l.maximum = max(l.maximum, l.inFlight)
	q := &Request{
		N: len(l.requests) + 1, At: at, Conn: conn, Proto: r.Proto,
		Method: r.Method, Path: r.URL.Path, Host: r.Host, Header: r.Header.Clone(),
	}
	l.requests = append(l.requests, q)
	return q
}

func (l *log) body(q *Request, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]int{}
	}
	q.Body = string(body)
	q.Seen = l.seen[q.Body]
	l.seen[q.Body]++
}

func (l *log) fault(q *Request, fault string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q.Fault = fault
}

func (l *log) status(q *Request, status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q.Status = status
}

func (l *log) paid(q *Request, paid bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q.Paid = paid
}

// leave ends a request, the first time it is called for it.
func (l *log) leave(q *Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q.Took == 0 {
		q.Took = max(1, time.Since(q.At))
		l.inFlight--
		if l.done != nil {
			l.done(*q)
		}
	}
}

// Requests returns what was seen so far, in order of arrival.
func (s *Server) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	out := make([]Request, len(s.log.requests))
	for i, q := range s.log.requests {
		out[i] = *q
	}
	return out
}

// Counts sums up what was seen so far.
func (s *Server) Counts() Counts {
	requests := s.Requests()
	s.log.mu.Lock()
	c := Counts{Total: len(requests), Conns: s.Conns(), MaxInFlight: s.log.maximum}
	s.log.mu.Unlock()
	for _, q := range requests {
		if q.Status == http.StatusOK {
			c.OK++
		}
		if q.Paid {
			c.Paid++
		}
	}
	return c
}

// Paid counts the requests that were given a good answer, whole. An answer spoilt by a fault (cut, not JSON, empty, …) is
// not among them: to ask again is right there.
func (s *Server) Paid() int { return s.Counts().Paid }

// PaidTwice returns each request body that was given a good answer more than once, in order of the second.
func (s *Server) PaidTwice() []string {
	paid := map[string]int{}
	var twice []string
	for _, q := range s.Requests() {
		if !q.Paid {
			continue
		}
		if paid[q.Body]++; paid[q.Body] == 2 {
			twice = append(twice, q.Body)
		}
	}
	return twice
}

// MaxPerWindow is the largest number of requests that arrived within any span of time shorter than d.
func (s *Server) MaxPerWindow(d time.Duration) int {
	requests := s.Requests()
	most, first := 0, 0
	for i := range requests {
		for requests[i].At.Sub(requests[first].At) >= d {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}
