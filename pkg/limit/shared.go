package limit

import (
	"context"
	"sync/atomic"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/pace"
)

// Shared is a pacer for all of the user's processes: the limits of a budget in
// the hub, the strictest that any of its present users asks for. When the hub
// fails, that is told once, and the limits hold in this process alone.
func Shared(h *hub.Client, b hub.Budget, broken func(error)) Pacer {
	limits := pace.Limits{PerSecond: b.PerSecond, PerMinute: b.PerMinute, TokensPerMinute: b.TokensPerMinute}
	return &shared{hub: h, budget: b, local: Local(limits), told: broken}
}

type shared struct {
	hub    *hub.Client
	budget hub.Budget
	local  Pacer
	told   func(error)
	broken atomic.Bool
}

// Start implements Pacer.
func (s *shared) Start(ctx context.Context, tokens int) (reserved bool, err error) {
	if !s.broken.Load() {
		reserved, err := s.hub.Start(ctx, s.budget, tokens)
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
	} else {
		s.hub.Hold(s.budget, d)
	}
}
