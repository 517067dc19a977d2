package limit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
)

// A server answers after a while and notes when each request came.
type server struct {
	takes func() time.Duration
	// answer is what the nth request, from 0, gets; nil: an answer without usage.
	answer func(n int, req *llm.Request) (*llm.Response, error)

	mu    sync.Mutex
	begin time.Time
	came  []time.Duration
	names []string // of the models asked
}

func newServer(takes time.Duration) *server {
	return &server{takes: func() time.Duration { return takes }, begin: time.Now()}
}

func (s *server) Complete(_ context.Context, req *llm.Request) (*llm.Response, error) {
	s.mu.Lock()
	n, takes := len(s.came), s.takes()
	s.came = append(s.came, time.Since(s.begin))
	s.names = append(s.names, req.Model)
	s.mu.Unlock()
	time.Sleep(takes)
	if s.answer == nil {
		return &llm.Response{}, nil
	}
	return s.answer(n, req)
}

// random draws times, the same ones in each run.
func random(least, most time.Duration) func() time.Duration {
	r := rand.New(rand.NewPCG(1, 2))
	return func() time.Duration { return least + time.Duration(r.Int64N(int64(most-least))) }
}

// keepBusy has workers ask without a pause until d from now, and waits for them.
func keepBusy(t *testing.T, c llm.Completer, workers int, d time.Duration, body int) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			req := &llm.Request{Body: bytes.Repeat([]byte("x"), body)}
			for ctx.Err() == nil {
				c.Complete(ctx, req)
			}
		})
	}
	all.Wait()
}

// mostWithin is the largest number of requests within a span of time d.
func (s *server) mostWithin(d time.Duration) (most int) {
	first := 0
	for i, at := range s.came {
		for at-s.came[first] > d {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func (s *server) checkPace(t *testing.T, limit float64, window time.Duration) {
	t.Helper()
	if most := s.mostWithin(window); float64(most) > limit+1 {
		t.Errorf("%d starts in a window of %v, the limit is %v", most, window, limit)
	}
}

var paces = []struct {
	limits  pace.Limits
	limit   float64
	window  time.Duration
	minutes int
}{
	{pace.Limits{PerSecond: 0.5}, 0.5, time.Second, 5},
	{pace.Limits{PerSecond: 1}, 1, time.Second, 5},
	{pace.Limits{PerSecond: 7}, 7, time.Second, 3},
	{pace.Limits{PerSecond: 100}, 100, time.Second, 2},
	{pace.Limits{PerSecond: 1000}, 1000, time.Second, 1},
	{pace.Limits{PerMinute: 1}, 1, time.Minute, 120},
	{pace.Limits{PerMinute: 10}, 10, time.Minute, 20},
	{pace.Limits{PerMinute: 600}, 600, time.Minute, 10},
}

// While there is work, no window has more than the limit and one, and the
// whole has 99 % of it.
func TestPace(t *testing.T) {
	for _, test := range paces {
		t.Run(fmt.Sprintf("%+v", test.limits), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(0)
				s.takes = random(0, 50*time.Millisecond)
				d := time.Duration(test.minutes) * time.Minute
				keepBusy(t, New(s, Local(test.limits)), 64, d, 10)
				s.checkPace(t, test.limit, test.window)
				if want := 0.99 * test.limit * float64(d) / float64(test.window); float64(len(s.came)) < want {
					t.Errorf("%d starts in %v, less than 99 %% of the limit, %v", len(s.came), d, want)
				}
			})
		})
	}
}

// What was not used while there was no work must not come as a burst later.
func TestPaceAfterIdleTime(t *testing.T) {
	for _, test := range paces {
		t.Run(fmt.Sprintf("%+v", test.limits), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(time.Millisecond)
				c := New(s, Local(test.limits))
				for range 4 {
					keepBusy(t, c, 16, 3*test.window/2, 10)
					time.Sleep(10 * test.window)
					c.Complete(t.Context(), &llm.Request{}) // one alone
					time.Sleep(test.window / 3)
				}
				s.checkPace(t, test.limit, test.window)
			})
		})
	}
}

// Each limit holds also where another one holds a request up: those behind it
// must not start together when it goes.
func TestLimitsHoldTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(time.Second)
		c := New(s, Local(pace.Limits{PerSecond: 2, PerMinute: 60, TokensPerMinute: 60000}))
		var all sync.WaitGroup
		for i := range 200 {
			size := 4
			if i%50 == 1 {
				size = 40000 // ten seconds' worth
			}
			all.Go(func() { c.Complete(t.Context(), &llm.Request{Body: make([]byte, size)}) })
			time.Sleep(time.Millisecond)
		}
		all.Wait()
		s.checkPace(t, 2, time.Second)
		s.checkPace(t, 60, time.Minute)
		if len(s.came) != 200 {
			t.Errorf("%d requests of 200", len(s.came))
		}
	})
}

func TestWithoutLimitsNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(time.Second)
		c := New(s, Local(pace.Limits{}))
		var all sync.WaitGroup
		for range 1000 {
			all.Go(func() { c.Complete(t.Context(), &llm.Request{Body: make([]byte, 1000)}) })
		}
		all.Wait()
		if last := slices.Max(s.came); last != 0 || len(s.came) != 1000 {
			t.Errorf("%d started, the last after %v", len(s.came), last)
		}
	})
}

// First come, first served: the head of the output is what people wait for.
func TestOrderOfArrivalIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(100 * time.Millisecond)
		c := New(s, Local(pace.Limits{PerSecond: 5}))
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() { c.Complete(t.Context(), &llm.Request{Model: fmt.Sprintf("%03d", i)}) })
			synctest.Wait()
		}
		all.Wait()
		if !slices.IsSorted(s.names) {
			t.Errorf("order %v", s.names)
		}
	})
}

// usage is an answer that cost so many tokens.
func usage(input, output int) *llm.Response {
	return &llm.Response{Usage: fmt.Appendf(nil, `{"prompt_tokens":%d,"completion_tokens":%d}`, input, output)}
}

// The limit of tokens is met by what requests really use, however wrong the
// estimates are: the sizes here are guessed at 1000 tokens by their bytes and
// 300 for the answer.
func TestTokensAreSettled(t *testing.T) {
	const limit = 60000
	boom := &llm.Error{Type: llm.Server, Status: 500}
	for _, test := range []struct {
		name          string
		input, output int
		least, most   time.Duration // an answer takes
		failEvery     int
	}{
		{"right", 1000, 300, time.Second, 3 * time.Second, 0},
		{"three times too low", 3000, 900, time.Second, 3 * time.Second, 0},
		{"three times too high", 333, 100, time.Second, 3 * time.Second, 0},
		{"three times too low, answers slow", 3000, 900, 5 * time.Second, 20 * time.Second, 0},
		{"three times too high, answers slow", 333, 100, 5 * time.Second, 20 * time.Second, 0},
		{"input too low, output too high", 3000, 30, time.Second, 3 * time.Second, 0},
		{"every other request fails", 1000, 300, time.Second, 3 * time.Second, 2},
		{"three times too high, every third fails", 333, 100, time.Second, 3 * time.Second, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(0)
				s.takes = random(test.least, test.most)
				s.answer = func(n int, _ *llm.Request) (*llm.Response, error) {
					if test.failEvery > 0 && n%test.failEvery == 0 {
						return nil, boom
					}
					return usage(test.input, test.output), nil
				}
				keepBusy(t, New(s, Local(pace.Limits{TokensPerMinute: limit})), 64, 10*time.Minute, 4000)
				used := 0
				for n, at := range s.came {
					if at >= time.Minute && at < 10*time.Minute && (test.failEvery == 0 || n%test.failEvery != 0) {
						used += test.input + test.output
					}
				}
				if part := float64(used) / (9 * limit); part < 0.98 || part > 1.02 {
					t.Errorf("%.1f %% of the limit was used", 100*part)
				}
			})
		})
	}
}

// Once the first answers have come, no window of a minute has more than 2 % above the limit of tokens, and 98 % of it
// are used, whatever the size of texts and answers.
func TestTokensInAMinute(t *testing.T) {
	for _, test := range []struct {
		limit               float64
		input               int
		leastOut, mostOut   int
		leastTime, mostTime time.Duration
		jobs                int
		fails               int // one in so many
	}{
		{100_000, 20, 5, 10, 50 * time.Millisecond, 200 * time.Millisecond, 64, 0},
		{100_000, 237, 5, 10, 50 * time.Millisecond, 200 * time.Millisecond, 64, 0},
		{100_000, 237, 100, 400, time.Second, 4 * time.Second, 64, 0},
		{100_000, 3000, 5, 20, 200 * time.Millisecond, 2 * time.Second, 64, 0},
		{100_000, 3000, 1000, 1000, time.Second, 5 * time.Second, 64, 0},
		{1_000_000, 237, 5, 10, 50 * time.Millisecond, 200 * time.Millisecond, 64, 0},
		{1_000_000, 237, 100, 1000, time.Second, 4 * time.Second, 64, 0},
		{1_000_000, 3000, 200, 1000, time.Second, 5 * time.Second, 64, 0},
		{100_000, 20, 5, 5, 200 * time.Millisecond, 201 * time.Millisecond, 64, 0},
		{100_000, 20, 5, 5, 5 * time.Second, 5001 * time.Millisecond, 1000, 0},
		{100_000, 20, 5, 5, 5 * time.Second, 5001 * time.Millisecond, 4000, 0},
		{1_000_000, 100, 20, 20, 5 * time.Second, 5001 * time.Millisecond, 1000, 0},
		{100_000, 237, 5, 10, 50 * time.Millisecond, 200 * time.Millisecond, 64, 4},
		{100_000, 237, 100, 400, time.Second, 4 * time.Second, 64, 4},
		{1_000_000, 100, 20, 40, time.Second, 5 * time.Second, 1000, 8},
	} {
		t.Run(fmt.Sprintf("%v a minute, %d in, %d to %d out, %d jobs, one in %d fails", test.limit, test.input, test.leastOut, test.mostOut, test.jobs, test.fails), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(0)
				s.takes = random(test.leastTime, test.mostTime)
				rng := rand.New(rand.NewPCG(1, 2))
				var tokens []int
				s.answer = func(n int, _ *llm.Request) (*llm.Response, error) {
					s.mu.Lock()
					defer s.mu.Unlock()
					for len(tokens) <= n {
						takes := test.input + test.leastOut + rng.IntN(test.mostOut-test.leastOut+1)
						if test.fails > 0 && rng.IntN(test.fails) == 0 {
							takes = 0
						}
						tokens = append(tokens, takes)
					}
					if tokens[n] == 0 {
						return nil, &llm.Error{Type: llm.Server, Status: 500}
					}
					return usage(test.input, tokens[n]-test.input), nil
				}
				const minutes = 6
				keepBusy(t, New(s, Local(pace.Limits{TokensPerMinute: test.limit})), test.jobs, minutes*time.Minute, 120+4*test.input)
				first, sum, used, most := 0, 0, 0, 0.0
				for n, at := range s.came {
					if at < test.mostTime+2*time.Second { // those that were there before the first answers had their estimates then
						first = n + 1
						continue
					}
					for sum += tokens[n]; at-s.came[first] >= time.Minute; first++ {
						sum -= tokens[first]
					}
					if most = max(most, float64(sum)/test.limit); most > 1.02 {
						t.Fatalf("%.1f %% of the limit in the minute to %v", 100*most, at)
					}
					if at >= time.Minute && at < minutes*time.Minute {
						used += tokens[n]
					}
				}
				part := float64(used) / (minutes - 1) / test.limit
				if t.Logf("at most %.1f %% of the limit, on average %.1f %%", 100*most, 100*part); part < 0.98 {
					t.Error("the limit was not used")
				}
			})
		})
	}
}

// A request that is larger than all that a minute allows is let through, and
// paid for by those behind it.
func TestRequestLargerThanTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(time.Second)
		c := New(s, Local(pace.Limits{TokensPerMinute: 600}))
		s.answer = func(int, *llm.Request) (*llm.Response, error) { return usage(3000, 0), nil }
		for range 2 {
			if _, err := c.Complete(t.Context(), &llm.Request{Body: make([]byte, 12000)}); err != nil {
				t.Fatal(err)
			}
		}
		// 3000 tokens at ten a second.
		if gap := s.came[1] - s.came[0]; s.came[0] > 330*time.Second || (gap-300*time.Second).Abs() > 5*time.Second {
			t.Errorf("started at %v", s.came)
		}
	})
}

// An estimate far too high holds the others up until the answer says so, and
// not for the whole of it.
func TestRefundWakesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(2 * time.Second)
		s.answer = func(int, *llm.Request) (*llm.Response, error) { return usage(10, 10), nil }
		c := New(s, Local(pace.Limits{TokensPerMinute: 6000}))
		var all sync.WaitGroup
		for range 2 {
			// A picture: 100 kB, which are not 25,000 tokens.
			all.Go(func() { c.Complete(t.Context(), &llm.Request{Body: make([]byte, 100000)}) })
			synctest.Wait()
		}
		all.Wait()
		if gap := s.came[1] - s.came[0]; gap > 3*time.Second {
			t.Errorf("the second started %v after the first", gap)
		}
	})
}

// An answer that does not tell its usage costs what was estimated.
func TestAnswerWithoutUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(0)
		c := New(s, Local(pace.Limits{TokensPerMinute: 60000}))
		keepBusy(t, c, 4, 10*time.Minute, 4000)
		if n, want := len(s.came), 600*1000/1300; n < want-5 || n > want+5 {
			t.Errorf("%d requests, want %d", n, want)
		}
	})
}

var errStopped = errors.New("stopped on purpose")

// Who gives up waiting leaves the turn to the next, wherever in line it was.
func TestCancelledWaitTakesNothing(t *testing.T) {
	for name, limits := range map[string]pace.Limits{
		"requests": {PerSecond: 1},
		"tokens":   {TokensPerMinute: 60 * 300}, // one request a second, too
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(0)
				c := New(s, Local(limits))
				if limits.TokensPerMinute > 0 { // what an idle second has earned
					c.Complete(t.Context(), &llm.Request{})
					s.came = nil
				}
				var all sync.WaitGroup
				for i := range 10 {
					ctx := t.Context()
					gone := i != 0 && i != 5 && i != 9
					if gone {
						var stop context.CancelCauseFunc
						ctx, stop = context.WithCancelCause(ctx)
						time.AfterFunc(500*time.Millisecond, func() { stop(errStopped) })
					}
					all.Go(func() {
						_, err := c.Complete(ctx, &llm.Request{})
						if gone && (err != errStopped || time.Since(s.begin) != 500*time.Millisecond) {
							t.Errorf("request %d: error %v after %v", i, err, time.Since(s.begin))
						}
					})
					synctest.Wait()
				}
				all.Wait()
				if len(s.came) != 3 || s.came[1] > 1100*time.Millisecond || s.came[2] > 2100*time.Millisecond {
					t.Errorf("started at %v, want a second between them", s.came)
				}
			})
		})
	}
}

func TestNothingStartsAfterASoftStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancelCause(t.Context())
		stop(errStopped)
		for _, limits := range []pace.Limits{{}, {PerSecond: 1}, {TokensPerMinute: 1}} {
			s := newServer(0)
			for range 20 {
				if _, err := New(s, Local(limits)).Complete(ctx, &llm.Request{}); err != errStopped {
					t.Errorf("%+v: error %v", limits, err)
				}
			}
			if len(s.came) > 0 {
				t.Errorf("%+v: %d started", limits, len(s.came))
			}
		}
	})
}

// When one is told to wait, the others hold, those in line as well as those to
// come; for an hour at most, or five seconds if it is not for a limit, and in step
// afterwards.
func TestHold(t *testing.T) {
	wait := func(d time.Duration) *llm.Error {
		return &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true, Wait: d, HasWait: true}
	}
	for _, test := range []struct {
		name string
		err  *llm.Error
		hold time.Duration
	}{
		{"as long as told", wait(3 * time.Second), 3 * time.Second},
		{"at most an hour", wait(2 * time.Hour), time.Hour},
		{"at most five seconds", &llm.Error{Type: llm.Server, Status: 503, Wait: time.Hour, HasWait: true}, 5 * time.Second},
		{"an overloaded server", &llm.Error{Type: llm.Server, Status: 503, Wait: 2 * time.Second, HasWait: true}, 2 * time.Second},
		{"no wait is told", &llm.Error{Type: llm.RateLimit, Status: 429}, 0},
	} {
		for name, limits := range map[string]pace.Limits{"in line": {PerSecond: 10}, "no limit": {}} {
			t.Run(test.name+", "+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newServer(50 * time.Millisecond)
					s.answer = func(n int, _ *llm.Request) (*llm.Response, error) {
						if n == 3 {
							return nil, test.err
						}
						return &llm.Response{}, nil
					}
					keepBusy(t, New(s, Local(limits)), 4, test.hold+20*time.Second, 10)
					told := s.came[3] + 50*time.Millisecond
					resumed := false
					for _, at := range s.came {
						if at > told && at < told+test.hold {
							t.Fatalf("a start at %v, within %v of %v", at, test.hold, told)
						}
						resumed = resumed || at >= told+test.hold && at < told+test.hold+time.Second
					}
					if !resumed {
						t.Error("no start within a second of the hold")
					}
					if limits.PerSecond > 0 {
						s.checkPace(t, limits.PerSecond, time.Second)
					}
				})
			})
		}
	}
}

// A second told wait may end before the first: the longer one counts.
func TestLongerHoldCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(0)
		waits := []time.Duration{4 * time.Second, time.Second}
		var gate sync.WaitGroup
		gate.Add(2)
		s.answer = func(n int, _ *llm.Request) (*llm.Response, error) {
			if n >= len(waits) {
				return &llm.Response{}, nil
			}
			gate.Done()
			gate.Wait()
			return nil, &llm.Error{Type: llm.RateLimit, Wait: waits[n], HasWait: true}
		}
		c := New(s, Local(pace.Limits{}))
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() { c.Complete(t.Context(), &llm.Request{}) })
		}
		all.Wait()
		c.Complete(t.Context(), &llm.Request{})
		if at := s.came[2]; at != 4*time.Second {
			t.Errorf("started after %v, want 4s", at)
		}
	})
}

// The answer and its error are the next one's own, and a fault that is no
// *llm.Error passes as well.
func TestOutcomePassesThrough(t *testing.T) {
	cut := &llm.Response{FinishReason: "length", Usage: []byte(`{"prompt_tokens":1}`)}
	for _, want := range []struct {
		resp *llm.Response
		err  error
	}{{cut, cut.Err()}, {nil, errStopped}, {&llm.Response{Text: "hi"}, nil}} {
		next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { return want.resp, want.err })
		resp, err := New(next, Local(pace.Limits{TokensPerMinute: 1e9, PerSecond: 1e6})).Complete(t.Context(), &llm.Request{Body: []byte("{}")})
		if resp != want.resp || err != want.err {
			t.Errorf("%+v, %v; want %+v, %v", resp, err, want.resp, want.err)
		}
	}
}
