package limit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
	"gptpipe/pkg/retry"
)

var overloaded = llm.Error{Type: llm.Server, Status: 503, Overload: true, Retry: true}

// A slotted server answers so many requests at once and calls itself overloaded by more.
type slotted struct {
	slots func() int
	takes func() time.Duration

	mu           sync.Mutex
	under        int
	good, turned int
	busy         time.Duration
}

func (s *slotted) Complete(context.Context, *llm.Request) (*llm.Response, error) {
	s.mu.Lock()
	d, ok := s.takes(), s.under < s.slots()
	if ok {
		s.under++
		s.good++
		s.busy += d
	} else {
		s.turned++
	}
	s.mu.Unlock()
	if !ok {
		time.Sleep(50 * time.Millisecond)
		e := overloaded
		return nil, &e
	}
	time.Sleep(d)
	s.mu.Lock()
	s.under--
	s.mu.Unlock()
	return usage(60, 40), nil
}

func adapted(next llm.Completer, jobs int) llm.Completer { return adaptedAmong(1, next, jobs) }

// adaptedAmong is one of several runs that share a limit.
func adaptedAmong(runs int, next llm.Completer, jobs int) llm.Completer {
	users := func(context.Context) int { return runs }
	return retry.New(Adapt(New(next, Local(pace.Limits{})), users), retry.Options{Retries: 20, MaxWait: time.Hour, Jobs: jobs})
}

func byItself(context.Context) int { return 1 }

// A server that can do so many at once gets about as many, and after the first crowd refuses few.
func TestCrowd(t *testing.T) {
	for _, test := range []struct {
		slots, jobs int
		least, most time.Duration // an answer takes
	}{
		{16, 64, 500 * time.Millisecond, 5 * time.Second},
		{16, 20, 500 * time.Millisecond, 5 * time.Second},
		{4, 64, 2 * time.Second, 20 * time.Second},
		{200, 1000, 500 * time.Millisecond, 5 * time.Second},
		{32, 64, 100 * time.Millisecond, 300 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &slotted{slots: func() int { return test.slots }, takes: random(test.least, test.most+1)}
			const d = 20 * time.Minute
			keepBusy(t, adapted(s, test.jobs), test.jobs, d, 1)
			share := s.busy.Seconds() / (d.Seconds() * float64(test.slots))
			turned := float64(s.turned-max(0, test.jobs-test.slots)) / float64(s.good)
			t.Logf("%d of %d slots: %.1f %% of capacity, %.2f %% turned away after the first crowd", test.jobs, test.slots, 100*share, 100*turned)
			if share < 0.93 || turned > 0.03 {
				t.Error("that is not near what it can do")
			}
		})
	}
}

// It follows a server that can do less for a time.
func TestCrowdOfAnotherSize(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sizes, begin := []int{64, 16, 64}, time.Now()
		const each = 5 * time.Minute
		phase := func() int { return min(int(time.Since(begin)/each), 2) }
		s := &slotted{slots: func() int { return sizes[phase()] }, takes: random(500*time.Millisecond, 3*time.Second)}
		var good [3]atomic.Int64
		counted := llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			resp, err := s.Complete(ctx, req)
			if err == nil {
				good[phase()].Add(1)
			}
			return resp, err
		})
		keepBusy(t, adapted(counted, 100), 100, 3*each, 1)
		for i := range good {
			share := float64(good[i].Load()) * 1.75 / each.Seconds() / float64(sizes[i])
			t.Logf("%d slots: %.1f %% of capacity", sizes[i], 100*share)
			if share < 0.75 {
				t.Error("that is not near what it can do")
			}
		}
	})
}

// Where a part is refused however few are in flight, for others overload the server, it is not slowed down for nothing, in
// the mean of some runs.
func TestCrowdOfOthers(t *testing.T) {
	const d, runs = 10 * time.Minute, 3
	for _, every := range []int{3, 7, 50} {
		good := 0
		for range runs {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(400 * time.Millisecond)
				s.answer = func(n int, _ *llm.Request) (*llm.Response, error) {
					s.mu.Lock()
					defer s.mu.Unlock()
					if n%every == 0 {
						e := overloaded
						e.Wait, e.HasWait = 50*time.Millisecond, true
						return nil, &e
					}
					good++
					return usage(60, 40), nil
				}
				keepBusy(t, retry.New(Adapt(s, byItself), retry.Options{Retries: 20, MaxWait: time.Hour, Jobs: 32}), 32, d, 1)
			})
		}
		share := float64(good) / (runs * 32 * d.Seconds() / 0.4 * float64(every-1) / float64(every))
		t.Logf("one in %d: %.1f %% of what the jobs can do", every, 100*share)
		if share < 0.8 {
			t.Error("it was slowed down for nothing")
		}
	}
}

// Who waits for room leaves when the run ends, and takes no place with it.
func TestCrowdIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{most: 1, base: 1}
		if err := c.enter(t.Context()); err != nil {
			t.Fatal(err)
		}
		why := errors.New("the run ends")
		ctx, cancel := context.WithCancelCause(t.Context())
		left, in := make(chan error, 1), make(chan error, 1)
		go func() { left <- c.enter(ctx) }()
		synctest.Wait()
		go func() { in <- c.enter(t.Context()) }()
		synctest.Wait()
		cancel(why)
		if err := <-left; !errors.Is(err, why) {
			t.Error(err)
		}
		c.leave(time.Now(), time.Now(), true, false)
		if err := <-in; err != nil {
			t.Error(err)
		}
		c.leave(time.Now(), time.Now(), true, false)
		if c.under != 0 || len(c.waiting) != 0 {
			t.Errorf("%d are in flight, %d wait", c.under, len(c.waiting))
		}
	})
}
