package limit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
	"gptpipe/pkg/retry"
)

// at is a window in which all of so many requests a second were begun.
func at(rate, sent, refused float64) window {
	return window{rate, rate, rate, counts{sent, refused}}
}

func TestWeigh(t *testing.T) {
	for name, test := range map[string]struct {
		windows []window // the last is the present one
		chance  bool
		limit   float64 // that is likelier; 0: whatever
		of      float64 // requests that the verdict is of
	}{
		"a tenth at any rate":           {[]window{at(10, 60, 6), at(7, 60, 6), at(5, 60, 6)}, true, 0, 180},
		"half at any rate":              {[]window{at(10, 20, 10), at(5, 20, 10), at(2, 20, 10)}, true, 0, 60},
		"a tenth, of few":               {[]window{at(10, 10, 1), at(8, 10, 1)}, false, 0, 20},
		"at one rate only":              {[]window{at(10, 200, 20), at(10, 200, 20)}, false, 0, 400},
		"none at the lowest rate":       {[]window{at(10, 40, 16), at(8, 40, 10), at(6, 40, 0)}, false, 6, 40},
		"every second, above the limit": {[]window{at(1.6, 40, 20), at(1.4, 40, 20), at(1.2, 40, 20)}, false, 0, 120},
		"nearly all":                    {[]window{at(10, 60, 54), at(5, 60, 54), at(2, 60, 54)}, false, 0, 180},
		"of another part before":        {[]window{at(10, 500, 1), at(8, 20, 10)}, false, 0, 20},
	} {
		last := len(test.windows) - 1
		v := series(test.windows[:last]).weigh(test.windows[last], alone.base)
		if v.chance(alone) != test.chance || v.of.sent != test.of || test.limit > 0 && (v.limit < 0.95*test.limit || v.limit > 1.05*test.limit) {
			t.Errorf("%s: chance %t (%.1f nats), limit %.2f, of %v requests", name, v.chance(alone), v.nats, v.limit, v.of.sent)
		}
	}
}

// What is usual raises an alarm once in minutes at most, half of it none in an hour, and a third of the others does soon.
func TestExcess(t *testing.T) {
	const rate, most = 50, 3600 * 50
	for _, usual := range []float64{0.05, 0.2, 0.5} {
		b := belief{usual: usual}
		r := rand.New(rand.NewPCG(1, 2))
		until := func(part float64, most int) (n int) {
			var c cusum
			for c.sum < b.alarm(rate) && n < most {
				c.send(usual)
				if r.Float64() < part {
					c.refuse(usual)
				}
				n++
			}
			return n
		}
		usually, less := 0, 0
		for range 10 {
			usually += until(usual, most)
			less += until(usual/2, most)
		}
		soon := until(usual+(1-usual)/3, most)
		t.Logf("usual %v: an alarm after %d of it, after %d of half as much, after %d of more", usual, usually/10, less/10, soon)
		if usually < 10*100*rate || less != 10*most || soon > 10*rate {
			t.Error("that is too soon, or too late")
		}
	}
}

// What passes a gate from when it opens until it does again is learned when it is the same twice, and forgotten when it
// becomes less twice; then it has to be the same more often.
func TestGate(t *testing.T) {
	g := gate{opened: time.Now()}
	now := g.opened
	// cycle lets so many through, shuts it, and opens it after a time in all.
	cycle := func(count int, span, shut time.Duration) {
		for g.now < float64(count-1) {
			g.pass(true, now)
		}
		g.close(now.Add(span-shut), g.mean)
		g.close(now.Add(span-shut/2), 10*g.mean) // it is shut already
		now = now.Add(span)
		if g.pass(false, now); !g.shut {
			t.Error("an answer to a request from before opens it")
		}
		if !g.pass(true, now) || g.pass(true, now) || g.now != 2 {
			t.Error("it does not open once")
		}
	}
	for n, step := range []struct {
		count      int
		span, shut time.Duration
		mean       float64 // a second, that is known then
	}{
		{100, 80 * time.Second, 20 * time.Second, 0},
		{120, 60 * time.Second, 20 * time.Second, 0},
		{120, 60 * time.Second, 10 * time.Second, 2},  // the same count
		{600, 4 * time.Minute, 10 * time.Second, 2.5}, // of several times
		{150, 60 * time.Second, 10 * time.Second, 2.5},
		{120, 60 * time.Second, 10 * time.Second, 2}, // less
		{120, 60 * time.Second, 10 * time.Second, 2},
		{100, 50 * time.Second, 10 * time.Second, 2}, // less
		{80, 40 * time.Second, 10 * time.Second, 0},
		{80, 40 * time.Second, 10 * time.Second, 0},
		{80, 40 * time.Second, 10 * time.Second, 2},
		{80, 80 * time.Minute, time.Minute, 80 / 4800.0},
		{9000, time.Hour, time.Minute, 2.5},
		{4000, time.Hour, time.Minute, 4000 / 3600.0},
		{2000, time.Hour, time.Minute, 0},
		{2400, 50 * time.Minute, 30 * time.Minute, 0}, // not the same count, but the same time, for most of which it was shut
		{1500, 50 * time.Minute, 30 * time.Minute, 0},
		{2400, 50 * time.Minute, 30 * time.Minute, 0},
		{1500, 50 * time.Minute, 30 * time.Minute, 0.5},
	} {
		cycle(step.count, step.span, step.shut)
		if g.mean != step.mean || g.known(now) != (step.mean > 0) {
			t.Errorf("step %d: a mean of %v, known %t", n+1, g.mean, g.known(now))
		}
	}
}

// A fickle server turns one request in so many away at random, whatever the rate, and for a time, all.
type fickle struct {
	seed    int
	every   int
	mean    time.Duration // that an answer takes
	outage  time.Duration // after five seconds
	refusal llm.Error
}

// answers is how many it gives to some jobs from minute 10 to minute 20.
func (f fickle) answers(t *testing.T, jobs int, adapt func(llm.Completer) llm.Completer) (good float64) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(uint64(f.seed), 3))
		s := newServer(50 * time.Millisecond)
		begin := time.Now()
		s.answer = func(int, *llm.Request) (*llm.Response, error) {
			s.mu.Lock()
			since := time.Since(begin) - 5*time.Second
			bad := 0 < since && since < f.outage || r.IntN(f.every) == 0
			takes := f.mean/2 + time.Duration(r.Int64N(int64(f.mean)))
			s.mu.Unlock()
			if bad {
				e := f.refusal
				return nil, &e
			}
			time.Sleep(takes)
			return &llm.Response{}, nil
		}
		c := &tally{next: s, from: begin.Add(10 * time.Minute)}
		keepBusy(t, retry.New(adapt(New(c, Local(pace.Limits{}))), retry.Options{Retries: 20, MaxWait: time.Hour, Jobs: jobs}), jobs, 20*time.Minute, 1)
		good = c.good
	})
	return good
}

// Where requests are turned away at random, or all are for a minute and then some at random, a run does a good part of what
// it could without any pace: with few jobs and many, and answers that take long.
func TestAdaptToChance(t *testing.T) {
	t.Parallel()
	limited := llm.Error{Type: llm.RateLimit, Status: 429, Retry: true}
	for _, jobs := range []int{4, 16, 64} {
		for _, mean := range []time.Duration{400 * time.Millisecond, 5 * time.Second, 15 * time.Second} {
			for _, wait := range []time.Duration{0, time.Second} {
				if wait > 0 && mean != 5*time.Second {
					continue
				}
				for _, f := range []fickle{{every: 4}, {every: 10}, {every: 30}, {every: 100}, {every: 20, outage: time.Minute}} {
					f.mean, f.refusal = mean, limited
					f.refusal.Wait, f.refusal.HasWait = wait, wait > 0
					t.Run(fmt.Sprintf("%d jobs of %v, one in %d, asked to wait %v, outage %v", jobs, mean, f.every, wait, f.outage), func(t *testing.T) {
						t.Parallel()
						f.check(t, jobs, 0.4)
					})
				}
			}
		}
	}
}

// The same from the beginning, with waits that are asked for.
func TestAdaptToChanceSoon(t *testing.T) {
	for _, jobs := range []int{16, 64} {
		for _, every := range []int{3, 7, 50} {
			synctest.Test(t, func(t *testing.T) {
				draw := random(0, time.Duration(every))
				s := newServer(400 * time.Millisecond)
				s.answer = func(int, *llm.Request) (*llm.Response, error) {
					s.mu.Lock()
					defer s.mu.Unlock()
					if draw() == 0 {
						return nil, &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true, Wait: 50 * time.Millisecond, HasWait: true}
					}
					return &llm.Response{}, nil
				}
				const d = 10 * time.Minute
				c := &tally{next: s}
				keepBusy(t, retry.New(Adapt(c, byItself), retry.Options{Retries: 20, MaxWait: time.Hour, Jobs: jobs}), jobs, d, 1)
				share := c.good * 0.4 / d.Seconds() / float64(jobs) * float64(every) / float64(every-1)
				t.Logf("%d jobs, one in %d: %.0f %% of what the jobs can do", jobs, every, 100*share)
				if share < 0.4 {
					t.Error("it is slowed down for nothing")
				}
			})
		}
	}
}

// The same for a server that calls itself overloaded.
func TestCrowdOfChance(t *testing.T) {
	for _, jobs := range []int{4, 32} {
		for _, mean := range []time.Duration{400 * time.Millisecond, 5 * time.Second} {
			for _, every := range []int{4, 10, 30, 100} {
				t.Run(fmt.Sprintf("%d jobs of %v, one in %d", jobs, mean, every), func(t *testing.T) {
					fickle{every: every, mean: mean, refusal: overloaded}.check(t, jobs, 0.55)
				})
			}
		}
	}
}

// check compares what is done with and without a pace, in the mean of some runs.
func (f fickle) check(t *testing.T, jobs int, least float64) {
	var shares []float64
	without := f.answers(t, jobs, func(c llm.Completer) llm.Completer { return c })
	for f.seed = range 3 {
		shares = append(shares, f.answers(t, jobs, func(c llm.Completer) llm.Completer { return Adapt(c, byItself) })/without)
	}
	t.Logf("%.2f of what is possible", shares)
	if mean(shares) < least {
		t.Error("it is slowed down for nothing")
	}
}

func mean(of []float64) (m float64) {
	for _, v := range of {
		m += v / float64(len(of))
	}
	return m
}

// A server that has a limit for each minute, or ten seconds, or hour, and says nothing of it, gives most of what it can,
// and turns few requests away, once it has done so three times.
func TestAdaptToWindows(t *testing.T) {
	for _, test := range []struct {
		limit  float64
		period time.Duration
		jobs   int
		mean   time.Duration
	}{
		{20, time.Minute, 64, time.Second},
		{60, time.Minute, 16, 2 * time.Second},
		{200, time.Minute, 64, time.Second},
		{500, time.Minute, 64, 2 * time.Second},
		{3000, time.Minute, 64, 500 * time.Millisecond},
		{100, 10 * time.Second, 64, 500 * time.Millisecond},
		{10, time.Second, 64, 500 * time.Millisecond},
		{300, 30 * time.Second, 64, time.Second},
		{100, 5 * time.Minute, 64, time.Second},
		{1000, 10 * time.Minute, 64, time.Second},
		{5000, time.Hour, 64, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			settles, runs := 3*max(time.Minute, test.period), 20*max(time.Minute, test.period)
			s := &bounded{limit: test.limit, period: test.period, windows: true, kind: llm.Error{Type: llm.RateLimit, Status: 429}}
			c := &tally{next: s.complete(random(test.mean/2, 3*test.mean/2)), from: time.Now().Add(settles)}
			keepBusy(t, adapted(c, test.jobs), test.jobs, runs, 1)
			share := c.good / (test.limit * float64(runs-settles) / float64(test.period))
			t.Logf("%v in %v: %.0f %% of the limit, %.2f %% turned away", test.limit, test.period, 100*share, 100*c.part())
			if share < 0.8 || c.part() > 0.02 {
				t.Error("that is not near the limit")
			}
		})
	}
}

// When a server that counts takes ten times as many, that is found within half an hour.
func TestAdaptToWiderWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs, rises, settles, lasts = 64, 20 * time.Minute, 30 * time.Minute, time.Hour
		const limit, wider = 20, 200
		begin := time.Now()
		s := &bounded{limit: limit, period: time.Minute, windows: true, kind: llm.Error{Type: llm.RateLimit, Status: 429}}
		then := &bounded{limit: wider, period: time.Minute, windows: true, kind: s.kind}
		narrow, wide := s.complete(random(500*time.Millisecond, 1500*time.Millisecond)), then.complete(random(500*time.Millisecond, 1500*time.Millisecond))
		c := &tally{from: begin.Add(rises + settles), next: llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			if time.Since(begin) < rises {
				return narrow(ctx, req)
			}
			return wide(ctx, req)
		})}
		keepBusy(t, adapted(c, jobs), jobs, rises+settles+lasts, 1)
		share := c.good / (wider * lasts.Minutes())
		t.Logf("%.0f %% of the limit, %.2f %% turned away", 100*share, 100*c.part())
		if share < 0.8 || c.part() > 0.02 {
			t.Error("that is not near the limit")
		}
	})
}

// After an outage of two hours, what is turned away at random does not keep the rate low.
func TestAdaptToChanceAfterOutage(t *testing.T) {
	for _, mean := range []time.Duration{100 * time.Millisecond, 5 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			const jobs, outage, lasts, every = 64, 2 * time.Hour, 30 * time.Minute, 20
			r := rand.New(rand.NewPCG(1, 2))
			begin := time.Now()
			s := newServer(0)
			s.takes = random(mean/2, 3*mean/2)
			s.answer = func(int, *llm.Request) (*llm.Response, error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				since := time.Since(begin) - time.Minute
				if 0 < since && since < outage || r.IntN(every) == 0 {
					return nil, &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true}
				}
				return &llm.Response{}, nil
			}
			c := &tally{next: s, from: begin.Add(time.Minute + outage)}
			keepBusy(t, adapted(c, jobs), jobs, time.Minute+outage+lasts, 1)
			share := c.good * mean.Seconds() / (jobs * lasts.Seconds())
			t.Logf("answers of %v: %.0f %% of what the jobs can do", mean, 100*share)
			if share < 0.4 {
				t.Error("it is slowed down for nothing")
			}
		})
	}
}

// When a server does not count any more, that is seen within minutes.
func TestAdaptToNoWindows(t *testing.T) {
	for _, limit := range []float64{60, 500} {
		synctest.Test(t, func(t *testing.T) {
			const jobs, counts, settles, lasts = 64, 6 * time.Minute, 12 * time.Minute, 6 * time.Minute
			begin := time.Now()
			s := &bounded{limit: limit, period: time.Minute, windows: true, kind: llm.Error{Type: llm.RateLimit, Status: 429}}
			bound := s.complete(random(500*time.Millisecond, 1500*time.Millisecond))
			free := newServer(0)
			free.takes = random(500*time.Millisecond, 1500*time.Millisecond)
			c := &tally{from: begin.Add(counts + settles), next: llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
				if time.Since(begin) > counts {
					return free.Complete(ctx, req)
				}
				return bound(ctx, req)
			})}
			keepBusy(t, adapted(c, jobs), jobs, counts+settles+lasts, 1)
			share := c.good / (jobs * lasts.Seconds())
			t.Logf("%v in a minute, and then as many as one likes: %.0f %% of what the jobs can do", limit, 100*share)
			if share < 0.9 {
				t.Error("it is slowed down for nothing")
			}
		})
	}
}

// A limit is found though a part of the requests is turned away at random.
func TestAdaptToLimitAndChance(t *testing.T) {
	for _, test := range []struct {
		limit  float64
		period time.Duration
		jobs   int
		mean   time.Duration
		every  int
	}{
		{50, time.Second, 64, 500 * time.Millisecond, 20},
		{50, time.Second, 64, 500 * time.Millisecond, 100},
		{5, time.Second, 16, 2 * time.Second, 10},
		{5, time.Second, 16, 2 * time.Second, 100},
		{500, time.Minute, 64, 2 * time.Second, 20},
	} {
		var shares, parts []float64
		for seed := range uint64(3) {
			synctest.Test(t, func(t *testing.T) {
				const settles, runs = 2 * time.Minute, 20 * time.Minute
				r := rand.New(rand.NewPCG(seed, 3))
				one := make(chan struct{}, 1)
				s := &bounded{limit: test.limit, period: test.period, kind: llm.Error{Type: llm.RateLimit, Status: 429}}
				c := &tally{next: s.complete(random(test.mean/2, 3*test.mean/2)), from: time.Now().Add(settles)}
				both := llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
					one <- struct{}{}
					bad := r.IntN(test.every) == 0
					<-one
					if bad {
						time.Sleep(50 * time.Millisecond)
						return nil, &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true}
					}
					return c.Complete(ctx, req)
				})
				keepBusy(t, adapted(both, test.jobs), test.jobs, runs, 1)
				shares = append(shares, c.good/(test.limit*float64(runs-settles)/float64(test.period)))
				parts = append(parts, c.part())
			})
		}
		t.Logf("%v in %v, one in %d: %.2f of the limit, %.3f turned away by it", test.limit, test.period, test.every, shares, parts)
		if mean(shares) < 0.55 || mean(parts) > 0.2 {
			t.Error("that is not near the limit")
		}
	}
}

// Runs that share a limit, of each second or of each minute, come to rest near it, and none takes the others' requests for
// a reason to ask for more.
func TestAdaptToSharedLimit(t *testing.T) {
	for _, s := range []bounded{
		{limit: 20, period: time.Second},
		{limit: 20, period: time.Second, asks: true},
		{limit: 1200, period: time.Minute, windows: true},
	} {
		for _, runs := range []int{2, 6} {
			synctest.Test(t, func(t *testing.T) {
				const limit, settles, lasts = 20, 3 * time.Minute, 30 * time.Minute
				r := rand.New(rand.NewPCG(1, 2))
				one := make(chan struct{}, 1)
				s := &bounded{limit: s.limit, period: s.period, asks: s.asks, windows: s.windows, kind: llm.Error{Type: llm.RateLimit, Status: 429}}
				c := &tally{next: s.complete(random(500*time.Millisecond, 1500*time.Millisecond)), from: time.Now().Add(settles)}
				far := llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
					one <- struct{}{}
					jitter := time.Duration(r.Int64N(int64(200 * time.Millisecond)))
					<-one
					time.Sleep(jitter)
					return c.Complete(ctx, req)
				})
				var all sync.WaitGroup
				for range runs {
					all.Go(func() { keepBusy(t, adaptedAmong(runs, far, 64), 64, lasts, 1) })
				}
				all.Wait()
				share := c.good / (limit * (lasts - settles).Seconds())
				t.Logf("%d runs, %v in %v, windows %t, asked to wait %t: %.0f %% of the limit, %.2f %% turned away",
					runs, s.limit, s.period, s.windows, s.asks, 100*share, 100*c.part())
				if share < 0.8 || c.part() > 0.06 {
					t.Error("that is not near the limit")
				}
			})
		}
	}
}

// A server that turns everything away for a while in each minute, and has no limit, is not taken for one
// with a limit for ever.
func TestAdaptToOutages(t *testing.T) {
	const jobs, settles, lasts = 64, 3 * time.Minute, 20 * time.Minute
	for _, outage := range []time.Duration{5 * time.Second, 20 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			s := newServer(0)
			s.takes = random(500*time.Millisecond, 1500*time.Millisecond)
			s.answer = func(int, *llm.Request) (*llm.Response, error) {
				if time.Since(begin)%time.Minute < outage {
					return nil, &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true}
				}
				return &llm.Response{}, nil
			}
			c := &tally{next: s, from: begin.Add(settles)}
			keepBusy(t, adapted(c, jobs), jobs, lasts, 1)
			share := c.good / (jobs * (lasts - settles).Seconds()) * float64(time.Minute) / float64(time.Minute-outage)
			t.Logf("%v each minute: %.0f %% of what the jobs can do", outage, 100*share)
			if share < 0.25 {
				t.Error("it is slowed down for nothing")
			}
		})
	}
}

// A pause between two batches of work changes nothing.
func TestAdaptToPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit, jobs, works = 500, 300, 20 * time.Second
		s := &bounded{limit: limit, period: time.Second, kind: llm.Error{Type: llm.RateLimit, Status: 429}}
		c := &tally{next: s.complete(random(200*time.Millisecond, 600*time.Millisecond))}
		run := adapted(c, jobs)
		for range 6 {
			before := c.good
			keepBusy(t, run, jobs, works, 1)
			share := (c.good - before) / (limit * works.Seconds())
			t.Logf("%.0f %% of the limit", 100*share)
			if share < 0.9 {
				t.Error("it is slowed down for nothing")
			}
			time.Sleep(time.Hour)
		}
		if c.part() > 0.02 {
			t.Errorf("%.2f %% were turned away", 100*c.part())
		}
	})
}

// A refusal that comes late now and then does not spoil what is known of the others.
func TestAdaptToLateRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs, settles, lasts = 64, 2 * time.Minute, 20 * time.Minute
		r := rand.New(rand.NewPCG(1, 2))
		s := newServer(50 * time.Millisecond)
		s.answer = func(int, *llm.Request) (*llm.Response, error) {
			s.mu.Lock()
			bad, late := r.IntN(10) == 0, r.IntN(10) == 0
			s.mu.Unlock()
			switch {
			case bad && late:
				time.Sleep(time.Minute)
			case !bad:
				time.Sleep(time.Second)
				return &llm.Response{}, nil
			}
			return nil, &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true}
		}
		c := &tally{next: s, from: time.Now().Add(settles)}
		keepBusy(t, adapted(c, jobs), jobs, lasts, 1)
		share := c.good * 1.8 / (jobs * (lasts - settles).Seconds())
		t.Logf("%.0f %% of what the jobs can do", 100*share)
		if share < 0.7 {
			t.Error("it is slowed down for nothing")
		}
	})
}
