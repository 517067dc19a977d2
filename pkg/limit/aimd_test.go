package limit

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/llm"
)

// A tally counts the requests that are answered and turned away from a time on.
type tally struct {
	next llm.Completer
	from time.Time

	mu           sync.Mutex
	good, turned float64
}

func (c *tally) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	resp, err := c.next.Complete(ctx, req)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case time.Now().Before(c.from):
	case err == nil:
		c.good++
	default:
		c.turned++
	}
	return resp, err
}

// part is that of the requests which were turned away.
func (c *tally) part() float64 { return c.turned / max(c.good+c.turned, 1) }

// A few jobs find a limit as well as many, and many a low one: after a minute, less than 2 % of the requests are turned
// away, and at least 70 % of what limit and jobs allow is done.
func TestAdaptToLowLimits(t *testing.T) {
	for _, jobs := range []int{1, 2, 3, 31} {
		for _, perSecond := range []float64{0.5, 2, 5, 20} {
			for _, mean := range []time.Duration{100 * time.Millisecond, time.Second, 4 * time.Second} {
				if few := jobs <= 3; few && mean > time.Second || !few && float64(jobs)/mean.Seconds() < perSecond {
					continue
				}
				for _, burst := range slices.Compact([]int{1, int(math.Ceil(perSecond))}) {
					for _, asks := range []bool{false, true} {
						t.Run(fmt.Sprintf("%d jobs of %v, %v a second, burst %d, asks %t", jobs, mean, perSecond, burst, asks), func(t *testing.T) {
							toLowLimit(t, jobs, mean, &bounded{limit: perSecond, period: time.Second, burst: burst, asks: asks})
						})
					}
				}
			}
		}
	}
}

func toLowLimit(t *testing.T, jobs int, mean time.Duration, s *bounded) {
	synctest.Test(t, func(t *testing.T) {
		const runs = 20 * time.Minute
		s.kind = llm.Error{Type: llm.RateLimit, Status: 429}
		c := &tally{next: s.complete(random(mean/2, 3*mean/2)), from: time.Now().Add(time.Minute)}
		keepBusy(t, adapted(c, jobs), jobs, runs, 1)
		can := float64(jobs) / mean.Seconds()
		share := c.good / (runs - time.Minute).Seconds() / min(s.limit, can)
		t.Logf("%.1f %% of what it can, %.2f %% turned away, %v in the first minute", 100*share, 100*c.part(), float64(s.turned)-c.turned)
		if share < 0.7 || s.limit < can && c.part() > 0.02 {
			t.Error("that is not near what it can do")
		}
	})
}

// A server that turned everything away for five seconds, and then takes all, is used in full thirty seconds later.
func TestAdaptToOutage(t *testing.T) {
	const outage, soon, after = 5 * time.Second, 30 * time.Second, time.Minute
	for _, jobs := range []int{1, 2, 3, 64} {
		for _, mean := range []time.Duration{100 * time.Millisecond, time.Second} {
			for _, wait := range []time.Duration{0, time.Second, 3 * time.Second} {
				t.Run(fmt.Sprintf("%d jobs of %v, asked to wait %v", jobs, mean, wait), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						over := time.Now().Add(outage)
						s := newServer(0)
						s.takes = random(mean/2, 3*mean/2)
						s.answer = func(int, *llm.Request) (*llm.Response, error) {
							if time.Now().Before(over) {
								return nil, &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true, Wait: wait, HasWait: wait > 0}
							}
							return &llm.Response{}, nil
						}
						c := &tally{next: s, from: over.Add(soon)}
						keepBusy(t, adapted(c, jobs), jobs, outage+soon+after, 1)
						share := c.good * mean.Seconds() / after.Seconds() / float64(jobs)
						t.Logf("%.1f %% of what the jobs can do", 100*share)
						if share < 0.9 {
							t.Error("it is still slowed down")
						}
					})
				})
			}
		}
	}
}

// A short job is not slowed down for minutes by a server that turns each of its requests away once.
func TestAdaptToShortJob(t *testing.T) {
	for _, wait := range []time.Duration{0, 50 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			var turned sync.Map
			c := adapted(llm.Func(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
				time.Sleep(10 * time.Millisecond)
				if _, again := turned.LoadOrStore(string(req.Body), true); !again {
					return nil, &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true, Wait: wait, HasWait: wait > 0}
				}
				return &llm.Response{}, nil
			}), 16)
			begin := time.Now()
			var all sync.WaitGroup
			for job := range 16 {
				all.Go(func() {
					for n := job; n < 1000; n += 16 {
						if _, err := c.Complete(t.Context(), &llm.Request{Body: strconv.AppendInt(nil, int64(n), 10)}); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			took := time.Since(begin)
			if t.Logf("asked to wait %v: %v", wait, took); took > 2*time.Minute {
				t.Error("that is too long")
			}
		})
	}
}
