package standin

import (
	"math"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/time/rate"
)

func newLimiter(rps float64) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(rps), max(1, int(math.Ceil(rps))))
}

// admit takes a token from the bucket of Config.RPS, tells in the header how full it is, and reports whether there was one.
func (s *Server) admit(header http.Header) bool {
	if s.limiter == nil {
		return true
	}
	now := time.Now()
	ok := s.limiter.AllowN(now, 1)
	tokens := s.limiter.TokensAt(now)
	after := func(missing float64) time.Duration {
		return max(0, time.Duration(missing/s.cfg.RPS*float64(time.Second))).Truncate(time.Millisecond) + time.Millisecond
	}
	header.Set("X-Ratelimit-Limit-Requests", strconv.Itoa(s.limiter.Burst()))
	header.Set("X-Ratelimit-Remaining-Requests", strconv.Itoa(max(0, int(tokens))))
	header.Set("X-Ratelimit-Reset-Requests", after(float64(s.limiter.Burst())-tokens).String())
	if !ok {
		wait := after(1 - tokens)
		header.Set("Retry-After-Ms", strconv.FormatInt(wait.Milliseconds(), 10))
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	}
	return ok
}
