package limit

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
)

// Each model has the whole limit, and a server that turns one away slows no other; however many names there are, there
// are not more than so many pacers.
func TestByModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(0)
		made := map[string]int{}
		c := ByModel(func(model string) *Adapter {
			made[model]++
			return Adapt(New(s, Local(pace.Limits{PerSecond: 1})))
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

func TestOneModelSlowsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(50 * time.Millisecond)
		s.answer = func(_ int, req *llm.Request) (*llm.Response, error) {
			if req.Model == "bad" {
				return nil, &llm.Error{Type: llm.RateLimit, Status: 429, Retry: true, Wait: 20 * time.Second, HasWait: true}
			}
			return &llm.Response{}, nil
		}
		m := ByModel(func(string) *Adapter { return Adapt(New(s, Local(pace.Limits{}))) })
		for range 3 {
			m.Complete(t.Context(), &llm.Request{Model: "good"})
			m.Complete(t.Context(), &llm.Request{Model: "bad"})
			if m.of("bad").Rate() > 0 && m.Rate() != 0 {
				t.Error("a rate is told for all, and one has none")
			}
			begun := time.Now()
			m.Complete(t.Context(), &llm.Request{Model: "good"})
			if took := time.Since(begun); took != 50*time.Millisecond {
				t.Errorf("a request for another model took %v", took)
			}
		}
	})
}
