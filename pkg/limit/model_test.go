package limit

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
	"gptpipe/pkg/retry"
)

// Each model has the whole limit, and however many names there are, there are not more than so many pacers.
func TestByModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(0)
		made := map[string]int{}
		c := ByModel(func(model string) *Adapter {
			made[model]++
			return Adapt(New(s, Local(pace.Limits{PerSecond: 1})), byItself)
		})
		begun := time.Now()
		var all sync.WaitGroup
		for range 3 {
			for _, model := range []string{"a", "b"} {
				all.Go(func() { c.Complete(t.Context(), &llm.Request{Model: model}) })
			}
		}
		all.Wait()
		if took := time.Since(begun); took.Round(100*time.Millisecond) != 2*time.Second {
			t.Errorf("three requests of each of two models took %v, not 2s", took)
		}
		for n := range 2 * maxModels {
			all.Go(func() { c.Complete(t.Context(), &llm.Request{Model: fmt.Sprint(n)}) })
		}
		all.Wait()
		if len(made) != maxModels+1 || made[""] != 1 || made["a"] != 1 {
			t.Errorf("%d pacers, %d for the rest, %d of a", len(made), made[""], made["a"])
		}
	})
}

// What is told of the pace is that of the slowest model that is held and asked.
func TestRateOfModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := ByModel(func(string) *Adapter { return Adapt(New(newServer(time.Second), Local(pace.Limits{})), byItself) })
		ask := func(model string) { go m.Complete(t.Context(), &llm.Request{Model: model}) }
		for model, held := range map[string]aimd{"free": {}, "slow": {found: 0.5}, "quick": {found: 40}} {
			a := m.enter(model)
			a.aimd = held
			a.crowd.most = 3 * held.found
			a.enforce(time.Now())
			m.leave(a)
		}
		told := func(rate float64, atOnce int) {
			t.Helper()
			synctest.Wait()
			if m.Rate() != rate || m.AtOnce() != atOnce {
				t.Errorf("%v a second, %d at once; want %v and %d", m.Rate(), m.AtOnce(), rate, atOnce)
			}
		}
		told(0, 0)
		ask("free")
		told(0, 0)
		ask("quick")
		told(40, 120)
		ask("slow")
		told(0.5, 1)
		time.Sleep(time.Minute)
		told(0, 0)
	})
}

// byModel is the chain of a run whose requests name their models.
func byModel(next llm.Completer, jobs int) llm.Completer {
	return retry.New(ByModel(func(string) *Adapter { return Adapt(New(next, Local(pace.Limits{})), byItself) }),
		retry.Options{Retries: 20, MaxWait: time.Hour, Jobs: jobs})
}

// One model in fifty requests turns each away once and asks to wait a second. It slows no other, and its own end soon: if
// nothing were paced it took 4 s, as long as the jobs wait with it, and if each refusal were waited for alone, 20 s.
func TestOneModelSlowsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const jobs, requests, busy, takes = 16, 1000, 20, 20 * time.Millisecond
		var turned sync.Map
		c := byModel(llm.Func(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
			time.Sleep(takes)
			if _, again := turned.LoadOrStore(string(req.Body), true); req.Model == "busy" && !again {
				return nil, &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true, Wait: time.Second, HasWait: true}
			}
			return &llm.Response{}, nil
		}), jobs)
		todo := make(chan int)
		begin := time.Now()
		var all sync.WaitGroup
		for range jobs {
			all.Go(func() {
				for n := range todo {
					req := &llm.Request{Model: "good", Body: strconv.AppendInt(nil, int64(n), 10)}
					if n < busy {
						req.Model = "busy"
					}
					begin := time.Now()
					_, err := c.Complete(t.Context(), req)
					if took := time.Since(begin); err != nil || req.Model == "good" && took != takes {
						t.Errorf("%s: %v after %v", req.Model, err, took)
					}
				}
			})
		}
		for _, n := range rand.New(rand.NewPCG(1, 2)).Perm(requests) {
			todo <- n
		}
		close(todo)
		all.Wait()
		took := time.Since(begin)
		if t.Logf("all took %v", took); took > 8*time.Second {
			t.Error("that is too long")
		}
	})
}

// Of many models, those with limits come to rest near them, and those without are not slowed.
func TestManyModels(t *testing.T) {
	for _, asks := range []bool{false, true} {
		t.Run(fmt.Sprintf("asks %t", asks), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { manyModels(t, asks) })
		})
	}
}

func manyModels(t *testing.T, asks bool) {
	const models, jobs, runs, takes = 50, 32, 10 * time.Minute, 300 * time.Millisecond
	servers := map[string]*tally{}
	for model, perSecond := range map[string]float64{"1": 1, "2": 2, "3": 5} {
		s := &bounded{limit: perSecond, period: time.Second, asks: asks, kind: llm.Error{Type: llm.RateLimit, Status: 429}}
		servers[model] = &tally{next: s.complete(random(takes/2, 3*takes/2)), from: time.Now().Add(time.Minute)}
	}
	c := byModel(llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		if s := servers[req.Model]; s != nil {
			return s.Complete(ctx, req)
		}
		time.Sleep(takes)
		return &llm.Response{}, nil
	}), jobs)
	ctx, stop := context.WithTimeout(t.Context(), runs)
	defer stop()
	var all sync.WaitGroup
	for job := range jobs {
		all.Go(func() {
			draw := rand.New(rand.NewPCG(uint64(job), 0))
			for ctx.Err() == nil {
				req := &llm.Request{Model: strconv.Itoa(draw.IntN(models))}
				if job < 15 { // which keep those busy that have a limit
					req.Model = strconv.Itoa(job%3 + 1)
				}
				begin := time.Now()
				c.Complete(ctx, req)
				if took := time.Since(begin); servers[req.Model] == nil && took != takes {
					t.Errorf("a model without a limit took %v", took)
				}
			}
		})
	}
	all.Wait()
	for model, perSecond := range map[string]float64{"1": 1, "2": 2, "3": 5} {
		s := servers[model]
		share := s.good / (runs - time.Minute).Seconds() / perSecond
		t.Logf("%v a second: %.1f %% of the limit, %.2f %% turned away", perSecond, 100*share, 100*s.part())
		if share < 0.8 || s.part() > 0.02 {
			t.Error("that is not near the limit")
		}
	}
}
