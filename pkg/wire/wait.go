package wire

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"gptpipe/pkg/llm"
)

// waitOf is how long a server asks to wait: retry-after-ms, else Retry-After
// in seconds or as a date (RFC 9110, 10.2.3), else, with a 429, the reset of
// the limit that is used up. What is garbage, negative or zero is no answer.
func waitOf(status int, h http.Header) (time.Duration, bool) {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		if d, ok := sane(ms / 1000); ok {
			return d, true
		}
	}
	after := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(after, 64); err == nil {
		if d, ok := sane(s); ok {
			return d, true
		}
	}
	if at, err := http.ParseTime(after); err == nil {
		now := time.Now()
		// By the server's own clock, where it tells it.
		if date, err := http.ParseTime(h.Get("Date")); err == nil {
			now = date
		}
		if d, ok := sane(at.Sub(now).Seconds()); ok {
			return d, true
		}
	}
	if status != http.StatusTooManyRequests {
		return 0, false
	}
	var longest time.Duration
	for _, what := range []string{"Requests", "Tokens"} {
		remaining := h.Get("X-Ratelimit-Remaining-" + what)
		if n, err := strconv.ParseFloat(remaining, 64); err == nil && n > 0 {
			continue
		}
		if d, ok := parseReset(h.Get("X-Ratelimit-Reset-" + what)); ok {
			longest = max(longest, d)
		}
	}
	return longest, longest > 0
}

// allowance reads what remains of a limit on requests or tokens. What is not
// sane says nothing.
func allowance(h http.Header, what string) (a llm.Allowance) {
	remaining, err := strconv.ParseFloat(h.Get("X-Ratelimit-Remaining-"+what), 64)
	if err != nil || !(remaining >= 0) {
		return a
	}
	if reset, ok := parseReset(h.Get("X-Ratelimit-Reset-" + what)); ok && reset <= longestReset {
		a = llm.Allowance{Remaining: remaining, Reset: reset}
	}
	return a
}

// longestReset is a day, the longest period that limits are given for.
const longestReset = 24 * time.Hour

// parseReset reads 12ms, 1s, 6m0s, 1d2h, and plain seconds.
func parseReset(s string) (time.Duration, bool) {
	if n, err := strconv.ParseFloat(s, 64); err == nil {
		return sane(n)
	}
	var days float64
	if d, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseFloat(d, 64)
		if err != nil {
			return 0, false
		}
		days = n
		if s = rest; s == "" {
			s = "0s"
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, false
	}
	return sane(days*24*3600 + d.Seconds())
}

// sane takes waits above zero and up to a year; the caller has the last word
// on what is too long.
func sane(seconds float64) (time.Duration, bool) {
	if !(seconds > 0 && seconds <= 366*24*3600) {
		return 0, false
	}
	d := time.Duration(seconds * float64(time.Second))
	return d, d > 0
}
