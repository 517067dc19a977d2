package retry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/llm"
)

var request = &llm.Request{Model: "m", Body: []byte(`{}`)}

// A script answers the nth call by its nth error, and with an answer where
// that is nil or none is left. It notes when it was called.
type script struct {
	errs []error

	mu    sync.Mutex
	begin time.Time
	calls []time.Duration
}

func play(errs ...error) *script { return &script{errs: errs, begin: time.Now()} }

func (s *script) Complete(context.Context, *llm.Request) (*llm.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.calls)
	s.calls = append(s.calls, time.Since(s.begin))
	if n < len(s.errs) && s.errs[n] != nil {
		return nil, s.errs[n]
	}
	return &llm.Response{Text: "yes"}, nil
}

func failing() *llm.Error {
	return &llm.Error{Type: llm.Server, Status: 500, Message: "boom", Retry: true}
}

func told(wait time.Duration) *llm.Error {
	return &llm.Error{Type: llm.RateLimit, Status: 429, Message: "wait", Retry: true, Wait: wait, HasWait: true}
}

func doubtful() *llm.Error {
	return &llm.Error{Type: llm.BadResponse, Status: 200, Message: "nothing", Retry: true, OnceMore: true}
}

func final(typ llm.Type, status int) *llm.Error {
	return &llm.Error{Type: typ, Status: status, Message: "no"}
}

func always(n int, err func() *llm.Error) (errs []error) {
	for range n {
		errs = append(errs, err())
	}
	return errs
}

// A wait that the server tells is kept to the nanosecond: neither cut to the
// 8 s of a backoff nor spread by jitter.
func TestToldWaitsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(told(250*time.Millisecond), told(20*time.Second), told(10*time.Minute), told(time.Nanosecond))
		var reported []time.Duration
		r := New(s, Options{Retries: 5, MaxWait: 10 * time.Minute, Report: func(_ string, why *llm.Error, wait time.Duration) {
			if why.Attempts != len(reported)+1 || why.Status != 429 {
				t.Errorf("told of %+v", why)
			}
			reported = append(reported, wait)
		}})
		resp, err := r.Complete(t.Context(), request)
		if err != nil || resp.Text != "yes" || resp.Attempts != 5 {
			t.Fatalf("%+v, error %v", resp, err)
		}
		a, b, c := 250*time.Millisecond, 20*time.Second, 10*time.Minute
		if want := []time.Duration{0, a, a + b, a + b + c, a + b + c + 1}; !slices.Equal(s.calls, want) {
			t.Errorf("called at %v, want %v", s.calls, want)
		}
		if want := []time.Duration{a, b, c, 1}; !slices.Equal(reported, want) {
			t.Errorf("reported %v, want %v", reported, want)
		}
	})
}

// Full jitter: all of the time up to the bound is used, and nothing beyond it.
func TestBackoff(t *testing.T) {
	bounds := []time.Duration{
		500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second,
		8 * time.Second, 8 * time.Second, 8 * time.Second,
	}
	const runs = 500
	synctest.Test(t, func(t *testing.T) {
		waits := make([][]time.Duration, len(bounds))
		for range runs {
			s := play(always(len(bounds), failing)...)
			if _, err := New(s, Options{Retries: len(bounds)}).Complete(t.Context(), request); err != nil {
				t.Fatal(err)
			}
			for i := range bounds {
				waits[i] = append(waits[i], s.calls[i+1]-s.calls[i])
			}
		}
		for i, bound := range bounds {
			var sum time.Duration
			for _, w := range waits[i] {
				sum += w
			}
			least, most, mean := slices.Min(waits[i]), slices.Max(waits[i]), sum/runs
			if least < 0 || most >= bound {
				t.Errorf("wait %d: between %v and %v, want it below %v", i+1, least, most, bound)
			}
			// Of 500 uniform draws these fail once in 10^10 runs or less.
			if least > bound/20 || most < bound-bound/20 || (mean-bound/2).Abs() > bound/8 {
				t.Errorf("wait %d: between %v and %v, mean %v: not uniform below %v", i+1, least, most, mean, bound)
			}
		}
	})
}

// The hundredth attempt must not overflow into a wait of nothing or of ages.
func TestBackoffOfManyAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(always(99, failing)...)
		if _, err := New(s, Options{Retries: 200}).Complete(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(s.calls); i++ {
			if w := s.calls[i] - s.calls[i-1]; w >= 8*time.Second {
				t.Errorf("wait %d: %v", i, w)
			}
		}
		if mean := s.calls[99] / 99; mean < 2*time.Second {
			t.Errorf("mean wait %v", mean)
		}
	})
}

func TestMaxWait(t *testing.T) {
	for _, test := range []struct {
		name         string
		err          *llm.Error
		max          time.Duration
		stops, waits bool
	}{
		{"longer than allowed", told(time.Minute + 1), time.Minute, true, false},
		{"as long as allowed", told(time.Minute), time.Minute, false, true},
		{"no wait is allowed, and one is asked for", told(1), 0, true, false},
		{"no wait is allowed, and none is asked for", failing(), 0, false, true},
		{"not to be tried again anyway", &llm.Error{Type: llm.Auth, HasWait: true, Wait: time.Hour}, time.Minute, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(test.err)
				_, err := New(s, Options{Retries: 1, MaxWait: test.max}).Complete(t.Context(), request)
				var stop *llm.WaitError
				if errors.As(err, &stop) != test.stops {
					t.Fatalf("error %v", err)
				}
				if test.stops && (stop.Wait != test.err.Wait || stop.Max != test.max || !errors.Is(err, error(test.err)) || time.Since(s.begin) != 0) {
					t.Errorf("%+v after %v", stop, time.Since(s.begin))
				}
				if test.waits != (len(s.calls) == 2) {
					t.Errorf("%d calls", len(s.calls))
				}
			})
		})
	}
}

// A run that is to go on another time is told so even where no attempt is left.
func TestMaxWaitWithNoRetryLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := New(play(told(time.Hour)), Options{Retries: 0, MaxWait: time.Minute}).Complete(t.Context(), request)
		var stop *llm.WaitError
		if !errors.As(err, &stop) {
			t.Errorf("error %v", err)
		}
	})
}

func TestAttempts(t *testing.T) {
	other := errors.New("no file left")
	another := &llm.Error{Type: llm.Server, Status: 500, Message: "boom", Retry: true, Attempts: 7}
	stop := fmt.Errorf("the run has ended: %w", another)
	for _, test := range []struct {
		name     string
		retries  int
		errs     []error
		attempts int
		err      error // nil: an answer
	}{
		{"an answer at once", 5, nil, 1, nil},
		{"an answer at the last attempt", 3, always(3, failing), 4, nil},
		{"all attempts fail", 3, always(9, failing), 4, failing()},
		{"no retries", 0, always(9, failing), 1, failing()},
		{"the key is refused", 5, []error{final(llm.Auth, 401)}, 1, final(llm.Auth, 401)},
		{"the quota is spent", 5, []error{final(llm.Quota, 429)}, 1, final(llm.Quota, 429)},
		{"a wrong request", 5, []error{final(llm.InvalidRequest, 400)}, 1, final(llm.InvalidRequest, 400)},
		{"what may be the same each time", 5, always(9, doubtful), 2, doubtful()},
		{"the same between failures of the server", 5, []error{failing(), doubtful(), failing(), doubtful()}, 4, doubtful()},
		{"the same once, and an answer", 5, []error{doubtful(), failing()}, 3, nil},
		{"refused in the end", 5, []error{failing(), final(llm.Auth, 401)}, 2, final(llm.Auth, 401)},
		{"a fault of this machine", 5, []error{other}, 1, other},
		{"a stop for the failure of another", 5, []error{stop}, 1, stop},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := play(test.errs...)
				resp, err := New(s, Options{Retries: test.retries}).Complete(t.Context(), request)
				if len(s.calls) != test.attempts {
					t.Errorf("%d attempts, want %d", len(s.calls), test.attempts)
				}
				if (err == nil) != (test.err == nil) || err != nil && err.Error() != test.err.Error() {
					t.Fatalf("error %v, want %v", err, test.err)
				}
				if err == nil && resp.Attempts != test.attempts {
					t.Errorf("the answer says %d attempts", resp.Attempts)
				}
				if e := llm.Failed(err); e != nil && e.Attempts != test.attempts {
					t.Errorf("the error says %d attempts", e.Attempts)
				}
				if another.Attempts != 7 {
					t.Errorf("the failure of another says %d attempts", another.Attempts)
				}
			})
		})
	}
}

// What was paid for and cannot be used comes back with its error, to be stored.
func TestAnswerThatIsAFailureComesBack(t *testing.T) {
	cut := &llm.Response{Text: "half", FinishReason: "length"}
	next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { return cut, cut.Err() })
	resp, err := New(next, Options{Retries: 5}).Complete(t.Context(), request)
	var e *llm.Error
	if resp != cut || !errors.As(err, &e) || e.Type != llm.Length || e.Attempts != 1 || resp.Attempts != 1 {
		t.Errorf("%+v, error %v", resp, err)
	}
}

var errStopped = errors.New("stopped on purpose")

// after makes a context that ends d from now, because of errStopped.
func after(t *testing.T, d time.Duration) context.Context {
	ctx, stop := context.WithCancelCause(t.Context())
	time.AfterFunc(d, func() { stop(errStopped) })
	return ctx
}

func TestSoftStopEndsAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := play(told(time.Minute))
		_, err := New(s, Options{Retries: 5, MaxWait: time.Hour}).Complete(after(t, time.Second), request)
		if err != errStopped || time.Since(s.begin) != time.Second || len(s.calls) != 1 {
			t.Errorf("error %v after %v and %d calls", err, time.Since(s.begin), len(s.calls))
		}
	})
}

// outage is a server that answers nobody before it is up again, and then takes
// its time.
type outage struct {
	begin time.Time
	ends  time.Duration
	takes time.Duration
	calls atomic.Int64
	last  atomic.Int64 // when the last call that it answered came
}

func (o *outage) Complete(context.Context, *llm.Request) (*llm.Response, error) {
	o.calls.Add(1)
	if time.Since(o.begin) < o.ends {
		return nil, told(time.Millisecond)
	}
	o.last.Store(int64(time.Since(o.begin)))
	time.Sleep(o.takes)
	return &llm.Response{Text: "yes"}, nil
}

// While a server is down, the retries of all jobs together are a hundred at
// first and then ten a second: a delay, and no failure of its own.
func TestBudgetDelaysAStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outage{begin: time.Now(), ends: 30 * time.Second}
		r := New(o, Options{Retries: 1000, MaxWait: time.Minute, Jobs: 50})
		var jobs sync.WaitGroup
		for range 50 {
			jobs.Go(func() {
				if _, err := r.Complete(t.Context(), request); err != nil {
					t.Error(err)
				}
			})
		}
		for range 29 {
			time.Sleep(time.Second)
			synctest.Wait()
			retries, most := o.calls.Load()-50, 100+10*int64(time.Since(o.begin).Seconds())
			if retries > most || retries < most-1 {
				t.Errorf("%d retries in %v, want %d", retries, time.Since(o.begin), most)
			}
		}
		jobs.Wait()
		// All 50 have a turn in the line, one each tenth of a second.
		if last := time.Duration(o.last.Load()); last > 36*time.Second {
			t.Errorf("the last job had its answer after %v", last)
		}
	})
}

// Ordinary failures, one retry for each success, never meet the budget.
func TestBudgetIsGivenBackBySuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{begin: time.Now()}
		for range 1000 {
			s.errs = append(s.errs, told(time.Millisecond), nil)
		}
		r := New(s, Options{Retries: 1, MaxWait: time.Minute})
		for range 1000 {
			if _, err := r.Complete(t.Context(), request); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(s.begin); took != 1000*time.Millisecond {
			t.Errorf("a thousand waits of 1 ms took %v", took)
		}
	})
}

// Success counts also while others wait in line: once all have succeeded, the
// budget is whole again.
func TestBudgetIsGivenBackWhileItIsEmpty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outage{begin: time.Now(), ends: time.Millisecond, takes: time.Millisecond}
		r := New(o, Options{Retries: 1, MaxWait: time.Minute})
		round := func(n int) time.Duration {
			o.begin = time.Now()
			var jobs sync.WaitGroup
			for range n {
				jobs.Go(func() {
					if _, err := r.Complete(t.Context(), request); err != nil {
						t.Error(err)
					}
				})
			}
			jobs.Wait()
			return time.Since(o.begin)
		}
		if took := round(150); took < 4*time.Second || took > 6*time.Second {
			t.Errorf("150 retries took %v, want 100 at once and 50 in five seconds", took)
		}
		if took := round(100); took != 2*time.Millisecond {
			t.Errorf("a hundred retries after 150 successes took %v, want 2ms", took)
		}
	})
}

func TestSoftStopEndsTheWaitForBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &outage{begin: time.Now(), ends: time.Hour}
		r := New(o, Options{Retries: 1000, MaxWait: time.Minute})
		_, err := r.Complete(after(t, time.Minute), request)
		if err != errStopped || time.Since(o.begin) != time.Minute {
			t.Errorf("error %v after %v", err, time.Since(o.begin))
		}
		if n := o.calls.Load(); n > 1+100+600 || n < 600 {
			t.Errorf("%d calls in a minute", n)
		}
	})
}

// What can be divided is not tried again where the server failed over it, and only there.
func TestDivides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			err   *llm.Error
			calls int
		}{
			{failing(), 1},
			{&llm.Error{Type: llm.Server, Status: 503, Message: "busy", Retry: true}, 2},
			{&llm.Error{Type: llm.Server, Status: 500, Message: "busy", Retry: true, Overload: true}, 2},
			{told(time.Second), 2},
		} {
			s := play(test.err)
			_, err := New(s, Options{Retries: 5, MaxWait: time.Minute}).Complete(t.Context(), &llm.Request{Model: "m", Divides: true})
			if len(s.calls) != test.calls || (err != nil) != (test.calls == 1) {
				t.Errorf("%+v: %d calls, error %v", test.err, len(s.calls), err)
			}
		}
	})
}
