package pace

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// With timers that fire late, as they do, and a way to the server that takes its time, no window sees more than
// limit+1 starts, and the pace is kept.
func TestPaceUnderLateTimers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		limits Limits
		window time.Duration
		limit  float64 // in a window
		late   time.Duration
		least  float64 // of the limit
	}{
		{Limits{PerSecond: 0.7}, time.Second, 0.7, 5 * time.Millisecond, 0.99},
		{Limits{PerSecond: 2.5}, time.Second, 2.5, 2 * time.Millisecond, 0.99},
		{Limits{PerSecond: 10}, time.Second, 10, 2 * time.Millisecond, 0.99},
		{Limits{PerSecond: 100}, time.Second, 100, 2 * time.Millisecond, 0.99},
		{Limits{PerSecond: 1000}, time.Second, 1000, 2 * time.Millisecond, 0.99},
		{Limits{PerSecond: 1000}, time.Second, 1000, 100 * time.Millisecond, 0}, // a machine that hangs
		{Limits{PerMinute: 30}, time.Minute, 30, 100 * time.Millisecond, 0.99},
		{Limits{PerMinute: 10_000}, time.Minute, 10_000, 100 * time.Millisecond, 0.99},
		{Limits{PerSecond: 20, PerMinute: 600}, time.Second, 20, 2 * time.Millisecond, 0.49},
		{Limits{PerSecond: 20, PerMinute: 600}, time.Minute, 600, 2 * time.Millisecond, 0.99},
	} {
		a := New()
		begin := time.Now()
		a.Limit(c.limits, begin)
		var starts []time.Time
		for now := begin; now.Sub(begin) < 5*c.window; {
			if due := a.Due(now); due.After(now) {
				now = due.Add(time.Duration(rng.Int64N(int64(c.late))))
				continue
			}
			a.Start(now)
			starts = append(starts, now.Add(time.Duration(rng.Int64N(int64(2*time.Millisecond)))))
			now = now.Add(10 * time.Microsecond)
		}
		slices.SortFunc(starts, time.Time.Compare)
		if most := mostIn(c.window, starts); float64(most) > c.limit+1 {
			t.Errorf("%+v: %d starts in %v", c.limits, most, c.window)
		}
		if n, want := float64(len(starts)), c.least*5*c.limit; n < math.Floor(want) {
			t.Errorf("%+v: %v starts, less than %v", c.limits, n, want)
		}
	}
}

func mostIn(window time.Duration, starts []time.Time) (most int) {
	first := 0
	for i, s := range starts {
		for s.Sub(starts[first]) >= window {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

// A limit that comes later counts from the start before it.
func TestLimitChanges(t *testing.T) {
	a := New()
	now := time.Now()
	a.Limit(Limits{}, now)
	a.Start(now)
	a.Limit(Limits{PerSecond: 1}, now)
	if d := a.Due(now).Sub(now); d < 990*time.Millisecond {
		t.Errorf("the next start is due after %v", d)
	}
	a.Limit(Limits{PerSecond: 4}, now)
	if d := a.Due(now).Sub(now); d < 245*time.Millisecond || d > 255*time.Millisecond {
		t.Errorf("the next start is due after %v", d)
	}
	a.Limit(Limits{PerSecond: 1e-300, PerMinute: 1e300, TokensPerMinute: 1e300}, now)
	if d := a.Due(now).Sub(now); d < 300*24*time.Hour {
		t.Errorf("next to nothing is due after %v", d)
	}
}

// What is taken beyond a second's worth is owed, and what was not used comes back.
func TestTokens(t *testing.T) {
	a := New()
	now := time.Now()
	a.Limit(Limits{TokensPerMinute: 6000}, now)
	near := func(want time.Duration) {
		t.Helper()
		if d := a.Debt(now, 0); d < want-time.Millisecond || d > want+time.Millisecond {
			t.Errorf("debt of %v, not %v", d, want)
		}
	}
	a.Withdraw(now, 1100) // of which a second's worth is there
	near(10 * time.Second)
	a.Correct(now, now, -300)
	near(7 * time.Second)
	now = now.Add(7 * time.Second)
	near(0)
	a.Correct(now, now, -1000) // of which the bucket has no room for more than the next start takes
	a.Withdraw(now, 200)
	near(0)
	a.Withdraw(now, 200)
	near(time.Second)
	a.Limit(Limits{TokensPerMinute: 600}, now)
	near(10 * time.Second)
	a.Limit(Limits{}, now)
	near(0)
	a.Limit(Limits{TokensPerMinute: 6000}, now)
	a.Withdraw(now, 1<<24)
	now = now.Add(a.Debt(now, 0))
	near(0)
}

// No window of a minute has clearly more tokens than the limit, from the first on, and the limit is used; of requests that take
// more than a twentieth of it, one too many.
func TestTokensInAMinute(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		limit       float64
		least, most int // that a request takes
		over        int
		share       float64 // of the limit, at least
	}{
		{100_000, 20, 20, 0, 0.99},
		{100_000, 237, 260, 0, 0.99},
		{100_000, 3000, 3020, 0, 0.99},
		{100_000, 4000, 4000, 0, 0.99},
		{100_000, 20, 4000, 0, 0.98},
		{1_000_000, 20, 4000, 0, 0.99},
		{100_000, 5001, 5001, 5001, 0.99},
		{100_000, 20, 40_000, 40_000, 0.98},
		{100_000, 300_000, 300_000, 300_000, 0.98},
	} {
		a := New()
		begin := time.Now()
		a.Limit(Limits{TokensPerMinute: c.limit}, begin)
		type taking struct {
			at time.Time
			n  int
		}
		most := int(1.005 * c.limit)
		if c.over > 0 {
			most = int(c.limit+c.limit/60) + c.over // a second's worth is there at the beginning
		}
		var taken []taking
		const minutes = 30
		sum, in, all, first := 0, 0, 0, 0
		for now := begin; now.Sub(begin) < minutes*time.Minute; all += in {
			in = c.least + rng.IntN(c.most-c.least+1)
			for d := a.Debt(now, in); d > 0; d = a.Debt(now, in) {
				now = now.Add(d + time.Duration(rng.Int64N(int64(2*time.Millisecond))))
			}
			a.Start(now)
			estimate := in * (50 + rng.IntN(100)) / 100 // which is corrected before the next
			a.Withdraw(now, estimate)
			a.Correct(now, now, in-estimate)
			taken = append(taken, taking{now, in})
			for sum += in; now.Sub(taken[first].at) >= time.Minute; first++ {
				sum -= taken[first].n
			}
			if sum > most {
				t.Fatalf("%+v: %d in a minute", c, sum)
			}
		}
		if share := float64(all-in) / c.limit / minutes; share < c.share {
			t.Errorf("%+v: %.1f %% of the limit", c, 100*share)
		}
	}
}

// A limit that is left and comes back counts what was taken before, another one does not.
func TestMinuteOfAnotherLimit(t *testing.T) {
	a := New()
	now := time.Now()
	for _, c := range []struct {
		limit float64
		sum   int
	}{{6000, 0}, {0, 100}, {6000, 100}, {60_000, 0}} {
		a.Limit(Limits{TokensPerMinute: c.limit}, now)
		if a.taken.sum != c.sum {
			t.Errorf("limit %v: %d tokens in a minute, not %d", c.limit, a.taken.sum, c.sum)
		}
		a.Withdraw(now, 100-a.taken.sum)
	}
}

// An account that is stored and restored is as far used as it was, and what time has passed meanwhile counts.
func TestState(t *testing.T) {
	now := time.Now()
	limits := Limits{PerSecond: 0.5, PerMinute: 10, TokensPerMinute: 600}
	a := New()
	a.Limit(limits, now)
	a.Start(now)
	a.Withdraw(now, 10+300)
	a.Hold(now.Add(7 * time.Second))
	state := a.State(now)
	for _, passed := range []time.Duration{0, time.Second, 20 * time.Second, 1000 * time.Hour} {
		later := now.Add(passed)
		b := Restore(state, now)
		b.Limit(limits, later)
		if d := a.Due(later).Sub(b.Due(later)).Abs(); d > time.Millisecond {
			t.Errorf("after %v the next start is due at another time, by %v", passed, d)
		}
		if d := (a.Debt(later, 0) - b.Debt(later, 0)).Abs(); d > 200*time.Millisecond { // a token is 100 ms
			t.Errorf("after %v another debt, by %v", passed, d)
		}
	}
	fresh := Restore(New().State(now), now)
	fresh.Limit(limits, now)
	if fresh.Due(now).After(now) || fresh.Debt(now, 0) > 0 {
		t.Error("a fresh account is not fresh any more")
	}
}

// Whatever is later than it may be apart, no window sees more than limit+1 starts.
func TestTolerance(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		limits Limits
		window time.Duration
		limit  float64 // in a window
		least  time.Duration
	}{
		{Limits{PerSecond: 0.7}, time.Second, 0.7, 400 * time.Millisecond},
		{Limits{PerSecond: 2.5}, time.Second, 2.5, 190 * time.Millisecond},
		{Limits{PerSecond: 20}, time.Second, 20, 45 * time.Millisecond},
		{Limits{PerSecond: 200}, time.Second, 200, 5 * time.Millisecond},
		{Limits{PerSecond: 5000}, time.Second, 5000, slackPerSecond},
		{Limits{PerMinute: 10}, time.Minute, 10, 5 * time.Second},
		{Limits{PerMinute: 3000}, time.Minute, 3000, 10 * time.Millisecond},
		{Limits{PerSecond: 20, PerMinute: 600}, time.Second, 20, 45 * time.Millisecond},
		{Limits{PerSecond: 20, PerMinute: 600}, time.Minute, 600, 45 * time.Millisecond},
	} {
		a := New()
		begin := time.Now()
		a.Limit(c.limits, begin)
		if a.Tolerance() < c.least {
			t.Errorf("%+v: tolerance of %v", c.limits, a.Tolerance())
		}
		var starts []time.Time
		for now := begin; now.Sub(begin) < 5*c.window; {
			if due := a.Due(now); due.After(now) {
				now = due.Add(time.Duration(rng.Int64N(int64(3 * time.Millisecond))))
				continue
			}
			a.Start(now)
			late := time.Duration(0)
			if rng.IntN(2) == 0 {
				late = time.Duration(rng.Int64N(int64(a.Tolerance())))
			}
			starts = append(starts, now.Add(late))
			now = now.Add(10 * time.Microsecond)
		}
		slices.SortFunc(starts, time.Time.Compare)
		if most := mostIn(c.window, starts); float64(most) > c.limit+1 {
			t.Errorf("%+v: %d starts in %v", c.limits, most, c.window)
		}
	}
	if d := New().Tolerance(); d < 24*time.Hour {
		t.Errorf("without limits a tolerance of %v", d)
	}
}
