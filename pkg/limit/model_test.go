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

// Each model has the whole limit, and however many names there are, there are not more than so many pacers.
func TestByModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(0)
		made := map[string]int{}
		c := ByModel(s, func(model string) Pacer {
			made[model]++
			return Local(pace.Limits{PerSecond: 1})
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
