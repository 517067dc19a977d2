package limit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/pace"
)

// patience is how long a start is waited for before it is looked up whether the
// server has asked another process to wait.
const patience = 3 * time.Second

// Shared is a pacer for all of the user's processes: the limits of a budget in
// the hub, the strictest that any of its present users asks for. When the hub
// fails, broken is told once, and the limits hold in this process alone. When
// starts are held because of what the server has told another process, held is
// told once for how long.
func Shared(h *hub.Client, b hub.Budget, broken func(error), held func(time.Duration)) Pacer {
	limits := pace.Limits{PerSecond: b.PerSecond, PerMinute: b.PerMinute, TokensPerMinute: b.TokensPerMinute}
	return &shared{hub: h, budget: b, local: Local(limits), told: broken, held: held}
}

type shared struct {
	hub    *hub.Client
	budget hub.Budget
	local  Pacer
	told   func(error)
	held   func(time.Duration)
	broken atomic.Bool

	mu      sync.Mutex
	resting time.Time // until then nothing is looked up
}

// Start implements Pacer.
func (s *shared) Start(ctx context.Context, tokens int) (reserved bool, err error) {
	if !s.broken.Load() {
		late := time.AfterFunc(patience, s.look)
		reserved, err := s.hub.Start(ctx, s.budget, tokens)
		late.Stop()
		switch {
		case err == nil:
			return reserved, nil
		case ctx.Err() != nil:
			return false, context.Cause(ctx)
		}
		if s.broken.CompareAndSwap(false, true) {
			s.told(err)
		}
	}
	return s.local.Start(ctx, tokens)
}

// look tells of a hold that has not been told of.
func (s *shared) look() {
	if !s.rest(patience) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stats, err := s.hub.Stats(ctx)
	if err != nil {
		return // who waits will see it
	}
	for _, b := range stats.Sharing.Budgets {
		if b.Name == s.budget.Name && b.Held > 0 {
			s.rest(b.Held + time.Second)
			s.held(b.Held)
		}
	}
}

// rest has nothing looked up for d, and reports whether that was not so already.
func (s *shared) rest(d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	awake := now.After(s.resting)
	if until := now.Add(d); until.After(s.resting) {
		s.resting = until
	}
	return awake
}

// Settle implements Pacer.
func (s *shared) Settle(reserved, used int) {
	if s.broken.Load() {
		s.local.Settle(reserved, used)
	} else {
		s.hub.Settle(s.budget, reserved, used)
	}
}

// Hold implements Pacer.
func (s *shared) Hold(d time.Duration) {
	if s.broken.Load() {
		s.local.Hold(d)
		return
	}
	s.rest(d) // the retries have told of it
	s.hub.Hold(s.budget, d)
}
