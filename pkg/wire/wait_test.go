package wire

import (
	"net/http"
	"testing"
	"time"

	"gptpipe/pkg/llm"
)

func TestWaitOf(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	in := func(d time.Duration) string { return at.Add(d).Format(http.TimeFormat) }
	head := func(pairs ...string) http.Header {
		h := http.Header{"Date": {in(0)}}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	const requests, tokens = "x-ratelimit-reset-requests", "x-ratelimit-reset-tokens"
	const requestsLeft, tokensLeft = "x-ratelimit-remaining-requests", "x-ratelimit-remaining-tokens"
	for _, test := range []struct {
		name   string
		header http.Header
		want   time.Duration // 0: none
	}{
		{"nothing", head(), 0},
		{"milliseconds", head("retry-after-ms", "1234"), 1234 * time.Millisecond},
		{"a fraction of a millisecond", head("retry-after-ms", "0.5"), 500 * time.Microsecond},
		{"milliseconds before seconds", head("retry-after-ms", "20", "retry-after", "7"), 20 * time.Millisecond},
		{"seconds", head("retry-after", "20"), 20 * time.Second},
		{"a fraction of a second", head("retry-after", "1.5"), 1500 * time.Millisecond},
		{"a day", head("retry-after", "86400"), 24 * time.Hour},
		{"no longer than the 8 s of a backoff is not for us to say", head("retry-after", "599"), 599 * time.Second},
		{"a date, by the server's clock", head("retry-after", in(90*time.Second)), 90 * time.Second},
		{"a date in the form of RFC 850", head("retry-after", at.Add(time.Minute).Format("Monday, 02-Jan-06 15:04:05 GMT")), time.Minute},
		{"a date of asctime", head("retry-after", at.Add(time.Minute).Format(time.ANSIC)), time.Minute},
		{"a date that has passed", head("retry-after", in(-time.Minute)), 0},
		{"this very second", head("retry-after", in(0)), 0},

		{"seconds: zero", head("retry-after", "0"), 0},
		{"seconds: negative", head("retry-after", "-5"), 0},
		{"seconds: garbage", head("retry-after", "a while"), 0},
		{"seconds: a duration", head("retry-after", "5s"), 0},
		{"seconds: not a number", head("retry-after", "NaN"), 0},
		{"seconds: infinite", head("retry-after", "+Inf"), 0},
		{"seconds: beyond what a duration holds", head("retry-after", "1e300"), 0},
		{"seconds: less than a nanosecond", head("retry-after", "1e-12"), 0},
		{"milliseconds: zero", head("retry-after-ms", "0", "retry-after", "3"), 3 * time.Second},
		{"milliseconds: negative", head("retry-after-ms", "-5", "retry-after", "3"), 3 * time.Second},
		{"milliseconds: garbage", head("retry-after-ms", "5ms", "retry-after", "3"), 3 * time.Second},
		{"milliseconds: empty", head("retry-after-ms", "", "retry-after", "3"), 3 * time.Second},

		{"reset in milliseconds", head(requests, "12ms"), 12 * time.Millisecond},
		{"reset in seconds", head(requests, "1s"), time.Second},
		{"reset in fractions", head(tokens, "2m59.56s"), 2*time.Minute + 59560*time.Millisecond},
		{"reset in minutes", head(tokens, "6m0s"), 6 * time.Minute},
		{"reset in days", head(requests, "1d2h"), 26 * time.Hour},
		{"reset in days alone", head(requests, "1d"), 24 * time.Hour},
		{"reset without a unit", head(requests, "60"), time.Minute},
		{"reset: zero", head(requests, "0"), 0},
		{"reset: zero seconds", head(requests, "0s"), 0},
		{"reset: negative", head(requests, "-1"), 0},
		{"reset: a negative duration", head(requests, "-1m"), 0},
		{"reset: garbage", head(requests, "soon"), 0},
		{"reset: half garbage", head(requests, "1dx"), 0},
		{"reset: a d and no days", head(requests, "d2h"), 0},
		{"reset: not a number of days", head(requests, "NaNd"), 0},
		{"reset: infinitely many days", head(requests, "Infd1h"), 0},
		{"reset: a moment in Unix time", head(requests, "1772366400"), 0},
		{"reset: a moment in ISO 8601", head(requests, "2026-03-01T12:00:30Z"), 0},
		{"reset: garbage beside sense", head(requests, "?", tokens, "3s"), 3 * time.Second},
		{"the longer of two", head(requests, "12ms", tokens, "6s"), 6 * time.Second},
		{"only the limit that is used up", head(requests, "1s", requestsLeft, "0", tokens, "6m0s", tokensLeft, "149000"), time.Second},
		{"no limit is used up", head(requests, "1s", requestsLeft, "3", tokens, "6m0s", tokensLeft, "149000"), 0},
		{"remaining: garbage counts as used up", head(requests, "1s", requestsLeft, "none"), time.Second},
		{"remaining: negative counts as used up", head(requests, "1s", requestsLeft, "-1"), time.Second},
		{"the server's word comes before the reset", head("retry-after", "2", requests, "6m0s"), 2 * time.Second},
		{"a useless word does not hide the reset", head("retry-after", "0", requests, "6s"), 6 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := waitOf(http.StatusTooManyRequests, test.header)
			if off := got - test.want; ok != (test.want > 0) || off.Abs() > time.Microsecond {
				t.Errorf("%v, %t; want %v", got, ok, test.want)
			}
		})
	}
}

// The resets come with every answer: only a 429 is about them.
func TestResetsCountWith429Alone(t *testing.T) {
	h := http.Header{"X-Ratelimit-Reset-Requests": {"6m0s"}}
	for _, status := range []int{500, 503, 408, 409} {
		if d, ok := waitOf(status, h); ok {
			t.Errorf("status %d: wait %v", status, d)
		}
	}
}

// What a server says of its limits is taken over if it makes sense.
func TestAllowance(t *testing.T) {
	for _, test := range []struct {
		remaining, reset string
		want             llm.Allowance
	}{
		{"59", "1s", llm.Allowance{Remaining: 59, Reset: time.Second}},
		{"0", "6m0s", llm.Allowance{Reset: 6 * time.Minute}},
		{"149984", "6ms", llm.Allowance{Remaining: 149984, Reset: 6 * time.Millisecond}},
		{"10", "60", llm.Allowance{Remaining: 10, Reset: time.Minute}},
		{"10", "", llm.Allowance{}},
		{"", "1s", llm.Allowance{}},
		{"-1", "1s", llm.Allowance{}},
		{"NaN", "1s", llm.Allowance{}},
		{"10", "-1", llm.Allowance{}},
		{"10", "0", llm.Allowance{}},
		{"10", "30d", llm.Allowance{}},
		{"many", "soon", llm.Allowance{}},
	} {
		h := http.Header{}
		h.Set("X-Ratelimit-Remaining-Tokens", test.remaining)
		h.Set("X-Ratelimit-Reset-Tokens", test.reset)
		if got := allowance(h, "Tokens"); got != test.want {
			t.Errorf("%q, %q: %+v, want %+v", test.remaining, test.reset, got, test.want)
		}
	}
}
