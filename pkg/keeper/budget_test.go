package keeper_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/limit"
)

// Eight processes that would start as many requests as they may.
func TestRateOverProcesses(t *testing.T) {
	t.Parallel()
	const rate, seconds = 8, 5 // slow enough for a loaded machine not to push two starts together
	starts := startAll(t, t.TempDir(), 8, rate, func(string) { time.Sleep(seconds * time.Second) })
	checkRate(t, starts, rate)
	ran := time.Duration(starts[len(starts)-1] - starts[0])
	share := float64(len(starts)-1) / (rate * ran.Seconds())
	t.Logf("%d starts in %v: %.2f %% of the limit, at most %d in a second", len(starts), ran, 100*share, mostInASecond(starts))
}

// Neither a keeper that is killed nor one that hands over lets one more through than the limit.
func TestRateAcrossKeepers(t *testing.T) {
	t.Parallel()
	const rate = 8
	starts := startAll(t, t.TempDir(), 4, rate, func(dir string) {
		for range 3 {
			time.Sleep(400 * time.Millisecond)
			kill(t, dir)
			time.Sleep(400 * time.Millisecond)
			stop(t, dir)
		}
	})
	ran := time.Duration(starts[len(starts)-1] - starts[0])
	t.Logf("%d starts in %v, at most %d in a second", len(starts), ran, mostInASecond(starts))
	checkRate(t, starts, rate)
}

// late is how much a process may be late, on a machine that is busy with others, between taking up a start and noting its
// time here. That no window sees more than it may is tested by pace's own tests, on a clock that does not do that.
const late = 150 * time.Millisecond

// checkRate checks that starts keep to a rate, but for those that were seen late.
func checkRate(t *testing.T, starts []int64, rate float64) {
	t.Helper()
	for i, first := range starts {
		for j := i + 1; j < len(starts); j++ {
			span := time.Duration(starts[j]-first) + late
			if n := float64(j - i + 1); n > rate*span.Seconds()+1 {
				t.Fatalf("%v starts within %v", n, span-late)
			}
		}
	}
}

// startAll runs starters while fn does and answers the times of all starts.
func startAll(t *testing.T, dir string, processes int, rate float64, fn func(dir string)) (starts []int64) {
	t.Helper()
	t.Cleanup(func() { stop(t, dir) })
	var all []*process
	for range processes {
		all = append(all, run(t, "start", dir, "4", strconv.FormatFloat(rate, 'g', -1, 64)))
	}
	there := budget(func(u use) bool { return u.Users == uint64(processes) })
	until(t, dir, "all are there", there)
	fn(dir)
	until(t, dir, "all are there", there)
	for _, p := range all {
		p.in.Close()
	}
	for _, p := range all {
		for _, line := range p.rest() {
			n, err := strconv.ParseInt(line, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			starts = append(starts, n)
		}
	}
	slices.Sort(starts)
	if len(starts) < 2 {
		t.Fatalf("%d starts", len(starts))
	}
	return starts
}

func mostInASecond(starts []int64) (most int) {
	first := 0
	for i, s := range starts {
		for s-starts[first] >= int64(time.Second) {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// One that comes alone does not wait behind all that another has waiting.
func TestLateComer(t *testing.T) {
	dir := t.TempDir()
	clients := openAll(t, dir, 2)
	ctx, cancel := context.WithCancel(t.Context())
	b := hub.Budget{Name: "b", PerSecond: 20}
	var started atomic.Int64
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range 1000 {
		wg.Go(func() {
			if _, err := clients[0].Start(ctx, b, 0); err == nil {
				started.Add(1)
			}
		})
	}
	until(t, dir, "many wait", budget(func(u use) bool { return u.Waiting+uint64(started.Load()) >= 990 && started.Load() > 0 }))
	for range 3 {
		before := started.Load()
		if _, err := clients[1].Start(ctx, hub.Budget{Name: "b"}, 0); err != nil {
			t.Fatal(err)
		}
		if n := started.Load() - before; n > 3 {
			t.Errorf("%d others started first", n)
		}
	}
	cancel()
	until(t, dir, "nobody waits", budget(func(u use) bool { return u.Waiting == 0 }))
}

type use struct {
	hub.Budget
	Users, Waiting uint64
}

// budget looks at the one budget of a keeper.
func budget(ok func(use) bool) func(hub.Stats) bool {
	return func(s hub.Stats) bool {
		if len(s.Sharing.Budgets) != 1 {
			return false
		}
		u := s.Sharing.Budgets[0]
		return ok(use{u.Budget, u.Users, u.Waiting})
	}
}

// The strictest of each limit is in force while the one who asks for it is there, for all, and over keepers.
func TestStrictestLimit(t *testing.T) {
	dir := t.TempDir()
	clients := openAll(t, dir, 3)
	ctx := t.Context()
	inForce := func(users uint64, want hub.Budget) {
		t.Helper()
		want.Name = "b"
		until(t, dir, "limits in force", budget(func(u use) bool { return u.Budget == want && u.Users == users }))
	}
	for i, b := range []hub.Budget{{Name: "b"}, {Name: "b", PerSecond: 1000, PerMinute: 600}, {Name: "b", PerSecond: 500}} {
		if _, err := clients[i].Start(ctx, b, 0); err != nil {
			t.Fatal(err)
		}
	}
	inForce(3, hub.Budget{PerSecond: 500, PerMinute: 600})
	kill(t, dir)
	inForce(2, hub.Budget{PerSecond: 500, PerMinute: 600}) // the one without limits has nothing to tell a new keeper
	clients[2].Close()
	inForce(1, hub.Budget{PerSecond: 1000, PerMinute: 600})
	if _, err := clients[1].Start(ctx, hub.Budget{Name: "b", TokensPerMinute: 9}, 0); err != nil {
		t.Fatal(err)
	}
	inForce(1, hub.Budget{TokensPerMinute: 9})
	clients[1].Close()
	if _, err := clients[0].Start(ctx, hub.Budget{Name: "b"}, 1000); err != nil {
		t.Fatal(err)
	}
	inForce(1, hub.Budget{})
}

// Tokens that were used before a keeper was killed are owed to the next, and a request that goes costs nothing.
func TestTokensAcrossKeepers(t *testing.T) {
	dir := t.TempDir()
	clients := openAll(t, dir, 2)
	b := hub.Budget{Name: "b", TokensPerMinute: 60_000}
	if _, err := clients[0].Start(t.Context(), b, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := clients[1].Start(t.Context(), b, 100); err != nil {
		t.Fatal(err)
	}
	clients[0].Settle(b, 100, 60_100, 0)
	if _, err := clients[0].Stats(t.Context()); err != nil { // after which that has been read
		t.Fatal(err)
	}
	cannot := func() {
		t.Helper()
		until(t, dir, "both are there", budget(func(u use) bool { return u.Users == 2 }))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := clients[1].Start(ctx, b, 30_000); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("started in debt: %v", err)
		}
		until(t, dir, "nobody waits", budget(func(u use) bool { return u.Waiting == 0 }))
	}
	cannot()
	kill(t, dir)
	cannot()
	stop(t, dir)
	cannot()
	clients[0].Settle(b, 60_100, 100, 0)
	if _, err := clients[0].Stats(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := clients[1].Start(t.Context(), b, 100); err != nil {
		t.Fatal(err)
	}
}

// What a process has reserved and not settled is given back when it ends, and only that.
func TestTokensOfTheDead(t *testing.T) {
	dir := t.TempDir()
	clients := openAll(t, dir, 3)
	b := hub.Budget{Name: "b", TokensPerMinute: 60_000}
	for i, tokens := range []int{1000, 500_000} { // the second goes into debt for more than 8 minutes
		if reserved, err := clients[i].Start(t.Context(), b, tokens); !reserved || err != nil {
			t.Fatal(reserved, err)
		}
	}
	clients[0].Settle(b, 1000, 1000, 0)
	done := make(chan error)
	go func() {
		_, err := clients[2].Start(t.Context(), b, 100)
		done <- err
	}()
	until(t, dir, "one waits", budget(func(u use) bool { return u.Waiting == 1 }))
	clients[0].Close() // to which nothing is to be given back
	until(t, dir, "one has gone", budget(func(u use) bool { return u.Users == 2 && u.Waiting == 1 }))
	clients[1].Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What a server asked for is kept by all, and by the next keeper.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	clients := openAll(t, dir, 2)
	b := hub.Budget{Name: "b", PerSecond: 1000}
	if _, err := clients[0].Start(t.Context(), b, 0); err != nil {
		t.Fatal(err)
	}
	const d = 400 * time.Millisecond
	begin := time.Now()
	clients[0].Hold(b, d)
	clients[0].Hold(b, d/2)
	stats, err := clients[0].Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if list := stats.Sharing.Budgets; len(list) != 1 || list[0].Held <= 0 || list[0].Held > d {
		t.Errorf("%+v", list)
	}
	kill(t, dir)
	if _, err := clients[1].Start(t.Context(), b, 0); err != nil || time.Since(begin) < d {
		t.Errorf("started after %v, %v", time.Since(begin), err)
	}
}

// Who has no limit does not ask, until another comes who has one: from that one's first start on, all starts keep to it.
// When that one has left, all is as before.
func TestLimitForThoseWhoNeedNotAsk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clients := openAll(t, dir, 3)
	free := hub.Budget{Name: "b"}
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var starts []int64
	var since time.Time // starts that were asked for earlier do not count, for they may be noted long after
	count := func() {
		mu.Lock()
		defer mu.Unlock()
		starts, since = nil, time.Now()
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, c := range clients[:2] {
		for range 4 {
			wg.Go(func() {
				for {
					asked := time.Now()
					if _, err := c.Start(ctx, free, 0); err != nil {
						return
					}
					mu.Lock()
					if asked.After(since) {
						starts = append(starts, time.Now().UnixNano())
					}
					mu.Unlock()
				}
			})
		}
	}
	unlimited := func() {
		t.Helper()
		count()
		until(t, dir, "starts without limit", func(hub.Stats) bool {
			mu.Lock()
			defer mu.Unlock()
			return len(starts) > 10_000
		})
	}
	unlimited()
	const rate = 20
	if _, err := clients[2].Start(ctx, hub.Budget{Name: "b", PerSecond: rate}, 0); err != nil {
		t.Fatal(err)
	}
	count()
	time.Sleep(1500 * time.Millisecond)
	mu.Lock()
	limited := slices.Sorted(slices.Values(starts))
	mu.Unlock()
	if len(limited) < 2 {
		t.Errorf("%d starts", len(limited))
	}
	checkRate(t, limited, rate)
	clients[2].Close()
	unlimited()
}

func BenchmarkStart1(b *testing.B)  { benchmark(b, 1, start) }
func BenchmarkStart64(b *testing.B) { benchmark(b, 64, start) }
func BenchmarkAsk1(b *testing.B)    { benchmark(b, 1, askAndPut) }
func BenchmarkAsk64(b *testing.B)   { benchmark(b, 64, askAndPut) }

// start is paced, so high that only the work for it counts.
func start(b *testing.B, c *hub.Client, n uint64, value []byte) {
	if _, err := c.Start(b.Context(), hub.Budget{Name: "b", PerSecond: 1e9, TokensPerMinute: 1e12}, 100); err != nil {
		b.Error(err)
	}
}

func askAndPut(b *testing.B, c *hub.Client, n uint64, value []byte) {
	_, lease, err := c.Ask(b.Context(), number(stored+n))
	if lease == nil {
		b.Error("no lease", err)
	}
	put(b, c, n, value)
}

// Those who start requests under one budget know of each other, though it has no limit.
func TestUsersOfABudget(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clients := openAll(t, dir, 3)
	var pacers []limit.Pacer
	for i, c := range clients {
		p := limit.Shared(c, hub.Budget{Name: []string{"one", "one", "other"}[i]}, time.Minute,
			func(err error) { t.Error(err) }, func(time.Duration) {})
		if n := p.Users(t.Context()); n != 1 {
			t.Errorf("%d users before a start", n)
		}
		if _, err := p.Start(t.Context(), func() int { return 0 }); err != nil {
			t.Fatal(err)
		}
		pacers = append(pacers, p)
	}
	for i, want := range []int{2, 2, 1} {
		if n := pacers[i].Users(t.Context()); n != want {
			t.Errorf("%d users of budget %d, want %d", n, i, want)
		}
	}
	clients[1].Close()
	until(t, dir, "one has left", func(s hub.Stats) bool { return pacers[0].Users(t.Context()) == 1 })
}
