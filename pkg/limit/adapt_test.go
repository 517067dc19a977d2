package limit

import (
	"cmp"
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
	"gptpipe/pkg/retry"
)

// A bounded server turns away what is over its limit, which is so many requests (or tokens, at 100 a request) in a
// period: of a bucket that fills all the time, or of one that is filled at the beginning of each period.
type bounded struct {
	limit   float64
	period  time.Duration
	windows bool
	tells   bool // what remains, with each answer
	tokens  bool
	asks    bool // those turned away to wait until there is room
	kind    llm.Error
	burst   int // of a bucket; 0: the limit

	bucket       *rate.Limiter
	window       time.Time
	left         float64
	good, turned int
	last         time.Time
}

func (s *bounded) admit(now time.Time) (ok bool, remaining float64, reset, room time.Duration) {
	if s.windows {
		if now.Sub(s.window) >= s.period {
			s.window, s.left = now.Truncate(s.period), s.limit
		}
		reset = s.window.Add(s.period).Sub(now)
		if s.left >= 1 {
			s.left--
			return true, s.left, reset, 0
		}
		return false, 0, reset, reset
	}
	ok = s.bucket.AllowN(now, 1)
	remaining = s.bucket.TokensAt(now)
	perSecond := float64(s.bucket.Limit())
	seconds := func(n float64) time.Duration { return time.Duration(n / perSecond * float64(time.Second)) }
	return ok, remaining, seconds(s.limit - remaining), seconds(1 - remaining)
}

func (s *bounded) complete(takes func() time.Duration) llm.Func {
	s.bucket = rate.NewLimiter(rate.Limit(s.limit/s.period.Seconds()), cmp.Or(s.burst, int(s.limit)))
	var mu = make(chan struct{}, 1)
	return func(ctx context.Context, _ *llm.Request) (*llm.Response, error) {
		mu <- struct{}{}
		now := time.Now()
		ok, remaining, reset, room := s.admit(now)
		if ok {
			s.good++
			s.last = now
		} else {
			s.turned++
		}
		d := takes()
		<-mu
		if !ok {
			time.Sleep(d / 10)
			e := s.kind
			e.Retry = true
			if s.asks {
				e.Wait, e.HasWait = room, true
			}
			return nil, &e
		}
		time.Sleep(d)
		resp := usage(60, 40)
		if s.tells {
			a := llm.Allowance{Remaining: float64(int(remaining)), Reset: reset}
			if s.tokens {
				resp.Allowed.Tokens = llm.Allowance{Remaining: 100 * a.Remaining, Reset: reset}
			} else {
				resp.Allowed.Requests = a
			}
		}
		return resp, nil
	}
}

// With no limit given, a run comes to rest near the server's: less than 2 % of its requests are turned away, and the
// server gives most of what it can.
func TestAdaptToServers(t *testing.T) {
	limited := llm.Error{Type: llm.RateLimit, Status: 429}
	slow := llm.Error{Type: llm.Server, Status: 503, Overload: true}
	for name, test := range map[string]struct {
		server      bounded
		least, most time.Duration // an answer takes
		jobs        int
		share       float64 // of what the server can give, at least
	}{
		"bucket a second, tells":         {bounded{limit: 20, period: time.Second, tells: true, kind: limited}, 100 * time.Millisecond, time.Second, 16, 0.9},
		"bucket a second, tells, 64":     {bounded{limit: 20, period: time.Second, tells: true, kind: limited}, 100 * time.Millisecond, 2 * time.Second, 64, 0.9},
		"bucket a minute, tells":         {bounded{limit: 500, period: time.Minute, tells: true, asks: true, kind: limited}, time.Second, 10 * time.Second, 64, 0.9},
		"bucket a minute, tells tokens":  {bounded{limit: 500, period: time.Minute, tells: true, tokens: true, asks: true, kind: limited}, time.Second, 10 * time.Second, 64, 0.9},
		"window a minute, tells":         {bounded{limit: 500, period: time.Minute, windows: true, tells: true, asks: true, kind: limited}, time.Second, 5 * time.Second, 64, 0.9},
		"bucket a minute, says nothing":  {bounded{limit: 500, period: time.Minute, kind: limited}, time.Second, 5 * time.Second, 64, 0.85},
		"bucket a second, says nothing":  {bounded{limit: 50, period: time.Second, kind: limited}, 100 * time.Millisecond, 2 * time.Second, 64, 0.85},
		"bucket a second, quick answers": {bounded{limit: 100, period: time.Second, kind: limited}, 10 * time.Millisecond, 300 * time.Millisecond, 64, 0.85},
		"bucket a second, asks to wait":  {bounded{limit: 50, period: time.Second, asks: true, kind: limited}, 100 * time.Millisecond, 2 * time.Second, 64, 0.85},
		"window a minute, asks to wait":  {bounded{limit: 500, period: time.Minute, windows: true, asks: true, kind: limited}, time.Second, 5 * time.Second, 64, 0.8},
		"overload":                       {bounded{limit: 20, period: time.Second, kind: slow}, 100 * time.Millisecond, 2 * time.Second, 64, 0.6},
		"never in the way":               {bounded{limit: 1000, period: time.Second, tells: true, kind: limited}, time.Second, time.Second, 64, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &test.server
				runs := min(20*time.Minute, time.Duration(20_000/s.limit*float64(s.period)))
				begin := time.Now()
				c := retry.New(Adapt(New(s.complete(random(test.least, test.most+1)), Local(pace.Limits{})), byItself), retry.Options{Retries: 20, MaxWait: time.Hour, Jobs: test.jobs})
				keepBusy(t, c, test.jobs, runs, 1)
				can := s.limit * float64(s.last.Sub(begin)) / float64(s.period)
				share, turned := float64(s.good)/can, float64(s.turned)/float64(s.good+s.turned)
				t.Logf("%d good, %.1f %% of the limit, %.2f %% turned away", s.good, 100*share, 100*turned)
				most := 0.02
				if s.kind.Overload {
					most = 0.03 // of a limit on the rate, it finds out by how many it may have at once
				}
				if turned > most || share < test.share {
					t.Error("that is not near the limit")
				}
				if test.share == 0 && float64(s.good) < 0.98*float64(test.jobs)*runs.Seconds() {
					t.Errorf("%d jobs were held up", test.jobs)
				}
			})
		})
	}
}

// Where requests are turned away whatever the rate, because others use up the limit, it does not go down for nothing.
func TestAdaptToOthers(t *testing.T) {
	for _, every := range []int{3, 7, 50} {
		synctest.Test(t, func(t *testing.T) {
			good := 0
			s := newServer(400 * time.Millisecond)
			s.answer = func(n int, _ *llm.Request) (*llm.Response, error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				if n%every == 0 {
					return nil, &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true, Wait: 50 * time.Millisecond, HasWait: true}
				}
				good++
				return usage(60, 40), nil
			}
			const d = 10 * time.Minute
			c := retry.New(Adapt(s, byItself), retry.Options{Retries: 20, MaxWait: time.Hour, Jobs: 32})
			keepBusy(t, c, 32, d, 1)
			can := 32 * d.Seconds() / 0.4 * float64(every-1) / float64(every)
			t.Logf("one in %d: %.1f %% of what the jobs can do", every, 100*float64(good)/can)
			if float64(good) < 0.4*can {
				t.Error("it was slowed down for nothing")
			}
		})
	}
}

// When a server can do less from one moment to the next, a run has come to rest again within ten seconds, whenever that is.
func TestAdaptToFall(t *testing.T) {
	bucket := func(from, to float64) (llm.Completer, func()) {
		s := &bounded{limit: from, period: time.Second, kind: llm.Error{Type: llm.RateLimit, Status: 429}}
		return s.complete(random(50*time.Millisecond, 300*time.Millisecond)), func() {
			s.bucket.SetLimit(rate.Limit(to))
			s.bucket.SetBurst(int(to))
		}
	}
	slots := func(from, to int) (llm.Completer, func()) {
		var now atomic.Int64
		now.Store(int64(from))
		return &slotted{slots: func() int { return int(now.Load()) }, takes: random(500*time.Millisecond, 3*time.Second)}, func() {
			now.Store(int64(to))
		}
	}
	for name, test := range map[string]struct {
		server func() (llm.Completer, func())
		jobs   int
		least  float64 // answers a second after the fall
	}{
		"200 a second to 50":  {func() (llm.Completer, func()) { return bucket(200, 50) }, 64, 45},
		"1000 a second to 50": {func() (llm.Completer, func()) { return bucket(1000, 50) }, 256, 45},
		"200 a second to 5":   {func() (llm.Completer, func()) { return bucket(200, 5) }, 64, 4},
		"64 at once to 16":    {func() (llm.Completer, func()) { return slots(64, 16) }, 100, 0.9 * 16 / 1.75},
	} {
		for _, after := range []time.Duration{3 * time.Second, 10 * time.Second, 20 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				server, fall := test.server()
				begin := time.Now()
				var good, turned atomic.Int64
				counted := llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
					resp, err := server.Complete(ctx, req)
					switch {
					case time.Since(begin) < after+10*time.Second:
					case err == nil:
						good.Add(1)
					default:
						turned.Add(1)
					}
					return resp, err
				})
				time.AfterFunc(after, fall)
				keepBusy(t, adapted(counted, test.jobs), test.jobs, after+2*time.Minute, 1)
				g, b := float64(good.Load()), float64(turned.Load())
				t.Logf("%s after %v: %.1f a second, %.2f %% turned away", name, after, g/110, 100*b/(g+b))
				if g/110 < test.least || b > 0.02*(g+b) {
					t.Error("that is not near what it can do")
				}
			})
		}
	}
}
