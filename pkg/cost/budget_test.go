package cost

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/price"
)

var errStopped = errors.New("stopped on purpose")

// watch checks that what is spent and reserved never passes the limit.
func (b *Budget) watch(t *testing.T) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reserved < 0 || b.spent+b.reserved > b.limit {
		t.Errorf("%v spent and %v reserved of %v", b.spent, b.reserved, b.limit)
	}
}

// Many at once, of all sizes, until nothing fits any more: the limit holds at
// every moment, nobody is left waiting, and each sum is exact.
func TestBudgetHolds(t *testing.T) {
	for _, limit := range []price.Nano{0, 1, 5000, 300_000, 10_000_000} {
		synctest.Test(t, func(t *testing.T) {
			b := NewBudget(limit)
			var mu sync.Mutex
			var paid price.Nano
			exceeded := 0
			var all sync.WaitGroup
			for range 64 {
				all.Go(func() {
					for range 100 {
						most := rand.N(price.Nano(2000)) + 1
						if err := b.Reserve(t.Context(), most, true); err != nil {
							var e *ExceededError
							if !errors.As(err, &e) || e.Limit != limit || e.Need <= limit-e.Spent || e.Spent+e.Reserved > limit {
								t.Errorf("%+v", err)
							}
							mu.Lock()
							exceeded++
							mu.Unlock()
							continue
						}
						b.watch(t)
						time.Sleep(rand.N(time.Second))
						cost := rand.N(most + 1)
						mu.Lock()
						paid += cost
						mu.Unlock()
						b.Settle(most, cost)
						b.watch(t)
					}
				})
			}
			all.Wait()
			if b.Spent() != paid || paid > limit || b.reserved != 0 || b.line.Len() != 0 {
				t.Errorf("%v: %v spent, %v paid, %v reserved, %d in line", limit, b.Spent(), paid, b.reserved, b.line.Len())
			}
			if need := price.Nano(64 * 100 * 2000); limit < need/4 && (exceeded == 0 || paid < limit-2000) {
				t.Errorf("%v: %v spent, %d refused", limit, paid, exceeded)
			}
		})
	}
}

// A request that does not fit beside those in flight waits for them, and those
// behind it do too, although they would fit.
func TestReserveWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		if err := b.Reserve(t.Context(), 60, true); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []price.Nano
		var all sync.WaitGroup
		for _, most := range []price.Nano{90, 10, 5} {
			all.Go(func() {
				if err := b.Reserve(t.Context(), most, true); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, most)
				mu.Unlock()
			})
			synctest.Wait()
		}
		if len(order) > 0 {
			t.Errorf("%v did not wait", order)
		}
		b.Settle(60, 5) // 5 + 90 fit; 10 more do not
		synctest.Wait()
		if !slices.Equal(order, []price.Nano{90}) {
			t.Errorf("%v were let go, want the first alone", order)
		}
		b.Settle(90, 20)
		all.Wait()
		b.Settle(10, 10)
		b.Settle(5, 5)
		if b.Spent() != 40 || b.reserved != 0 {
			t.Errorf("%v spent, %v reserved", b.Spent(), b.reserved)
		}
	})
}

// Once one cannot fit any more, the run is over: for those in line, and for
// those to come, whatever their size.
func TestExceeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		b.Reserve(t.Context(), 50, true)
		b.Reserve(t.Context(), 40, true)
		var all sync.WaitGroup
		for _, most := range []price.Nano{80, 1} {
			all.Go(func() {
				err := b.Reserve(t.Context(), most, false)
				want := ExceededError{Limit: 100, Spent: 30, Reserved: 40, Need: 80}
				var e *ExceededError
				if !errors.As(err, &e) || *e != want {
					t.Errorf("%d: %+v, want %+v", most, err, want)
				}
			})
			synctest.Wait()
		}
		b.Settle(50, 30)
		all.Wait()
		b.Settle(40, 0)
		if err := b.Reserve(t.Context(), 1, true); err == nil {
			t.Error("one was let through afterwards")
		}
		if b.Spent() != 30 || b.reserved != 0 {
			t.Errorf("%v spent, %v reserved", b.Spent(), b.reserved)
		}
	})
}

func TestExceededErrorSays(t *testing.T) {
	e := &ExceededError{Limit: price.Dollar / 2, Spent: 4e8, Reserved: 5e7, Need: 256e6}
	const want = "the next request may cost $0.256, which --max-cost $0.50 does not allow: $0.40 is spent, up to $0.05 in flight"
	if e.Error() != want || !strings.Contains(e.Hint(), "--max-tokens") {
		t.Errorf("%v; %s", e, e.Hint())
	}
	e.Reserved, e.Capped = 0, true
	if strings.Contains(e.Error(), "in flight") || strings.Contains(e.Hint(), "--max-tokens") {
		t.Errorf("%v; %s", e, e.Hint())
	}
}

// Who gives up leaves the turn to the next; who was let go in that moment gives
// it back.
func TestReserveGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(100)
		b.Reserve(t.Context(), 60, true)
		ctx, stop := context.WithCancelCause(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			if err := b.Reserve(ctx, 90, true); err != errStopped {
				t.Errorf("error %v", err)
			}
		})
		synctest.Wait()
		all.Go(func() {
			if err := b.Reserve(t.Context(), 40, true); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		stop(errStopped)
		all.Wait()
		if b.reserved != 100 || b.line.Len() != 0 {
			t.Errorf("%v reserved, %d in line", b.reserved, b.line.Len())
		}
		if err := b.Reserve(ctx, 0, true); err != errStopped {
			t.Errorf("error %v", err)
		}
	})
	// Both at once: whichever wins, nothing is lost.
	b := NewBudget(10)
	for range 2000 {
		b.Reserve(t.Context(), 10, true)
		ctx, stop := context.WithCancelCause(t.Context())
		var both sync.WaitGroup
		both.Go(func() {
			if err := b.Reserve(ctx, 10, true); err == nil {
				b.Settle(10, 0)
			} else if err != errStopped {
				t.Errorf("error %v", err)
			}
		})
		both.Go(func() { b.Settle(10, 0) })
		both.Go(func() { stop(errStopped) })
		both.Wait()
		if b.reserved != 0 || b.line.Len() != 0 {
			t.Fatalf("%v reserved, %d in line", b.reserved, b.line.Len())
		}
	}
}

// A large request has its turn, however many small ones come along.
func TestLargeRequestIsNotStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(1_000_000)
		ctx, stop := context.WithCancelCause(t.Context())
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				for b.Reserve(ctx, 20_000, true) == nil {
					time.Sleep(time.Second + rand.N(time.Second))
					b.Settle(20_000, 1)
				}
			})
		}
		time.Sleep(10 * time.Second)
		begin := time.Now()
		if err := b.Reserve(ctx, 990_000, true); err != nil || time.Since(begin) > 3*time.Second {
			t.Errorf("error %v after %v", err, time.Since(begin))
		}
		b.Settle(990_000, 0)
		stop(errStopped)
		all.Wait()
	})
}

func TestUnlimited(t *testing.T) {
	b := NewBudget(Unlimited)
	b.Settle(0, Unlimited-1)
	b.Settle(0, 3*price.Dollar)
	if b.Spent() != Unlimited {
		t.Errorf("%v spent", b.Spent())
	}
}
