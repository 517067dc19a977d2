package limit

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
	"gptpipe/pkg/panics"
)

// A start that is waited for for so long has it looked up whether the server has
// asked another process to wait; for that, at most once in patience.
const (
	moment   = time.Second
	patience = 3 * time.Second
)

// inLine is how many requests of a process wait in the hub at once. Their estimates are what was known when they came
// there; the others wait here, for when more is known.
const inLine = 8

var errOther = errors.New("it told another process so")

// Shared is a pacer for all of the user's processes: the limits of a budget in
// the hub, the strictest that any of its present users asks for. When the hub
// fails, broken is told once, and the limits hold in this process alone. When
// starts are held because of what the server has told another process, held is
// told once for how long; if that is longer than maxWait, the error of Start is
// a *llm.WaitError.
func Shared(h *hub.Client, b hub.Budget, maxWait time.Duration, broken func(error), held func(time.Duration)) Pacer {
	limits := pace.Limits{PerSecond: b.PerSecond, PerMinute: b.PerMinute, TokensPerMinute: b.TokensPerMinute}
	return &shared{hub: h, budget: b, local: Local(limits), line: make(chan struct{}, inLine), maxWait: maxWait, told: broken, held: held}
}

type shared struct {
	hub     *hub.Client
	budget  hub.Budget
	local   Pacer
	line    chan struct{}
	maxWait time.Duration
	told    func(error)
	held    func(time.Duration)
	broken  atomic.Bool

	mu      sync.Mutex
	resting time.Time // until then nothing is looked up
}

// Start implements Pacer.
func (s *shared) Start(ctx context.Context, estimate func() int) (Reservation, error) {
	if !s.broken.Load() {
		reserved, err := s.start(ctx, estimate)
		switch {
		case err == nil:
			return reserved, nil
		case ctx.Err() != nil:
			return Reservation{}, context.Cause(ctx)
		case errors.As(err, new(*llm.WaitError)):
			return Reservation{}, err
		}
		if s.broken.CompareAndSwap(false, true) {
			s.told(err)
		}
	}
	return s.local.Start(ctx, estimate)
}

// start asks the hub, and gives up if it is held for too long.
func (s *shared) start(ctx context.Context, estimate func() int) (Reservation, error) {
	if ctx.Err() == nil && s.hub.Free(s.budget) {
		return Reservation{}, nil
	}
	select {
	case s.line <- struct{}{}:
		defer func() { <-s.line }()
	case <-ctx.Done():
		return Reservation{}, context.Cause(ctx)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	var late *time.Timer
	s.mu.Lock()
	late = time.AfterFunc(min(moment, s.maxWait), panics.Func(func() {
		if ctx.Err() != nil {
			return
		}
		again := s.look(cancel)
		s.mu.Lock()
		late.Reset(again)
		s.mu.Unlock()
	}))
	s.mu.Unlock()
	tokens := estimate()
	reserved, err := s.hub.Start(ctx, s.budget, tokens)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	cancel(nil)
	late.Stop()
	if !reserved {
		return Reservation{}, err
	}
	return Reservation{tokens, time.Now()}, nil
}

// look tells of a hold that has not been told of, or ends who waits if it is too
// long, and says when to look again.
func (s *shared) look(end context.CancelCauseFunc) (again time.Duration) {
	s.mu.Lock()
	left := time.Until(s.resting)
	if left <= 0 {
		s.resting = time.Now().Add(patience)
	}
	s.mu.Unlock()
	if left > 0 {
		return left
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	sharing, err := s.hub.Sharing(ctx)
	if err != nil {
		return patience // who waits will see it
	}
	for _, b := range sharing.Budgets {
		switch {
		case b.Name != s.budget.Name:
		case b.Held > s.maxWait:
			end(&llm.WaitError{Wait: b.Held, Max: s.maxWait, Err: errOther})
		case b.Held > patience-moment: // else it is over before anybody wonders
			s.rest(b.Held + time.Second)
			s.held(b.Held)
		}
	}
	return patience
}

// rest has nothing looked up for d.
func (s *shared) rest(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := time.Now().Add(d); until.After(s.resting) {
		s.resting = until
	}
}

// Settle implements Pacer.
func (s *shared) Settle(r Reservation, used int) {
	if s.broken.Load() {
		s.local.Settle(r, used)
	} else {
		s.hub.Settle(s.budget, r.tokens, used, time.Since(r.at))
	}
}

// Users implements Pacer.
func (s *shared) Users(ctx context.Context) int {
	sharing, err := s.hub.Sharing(ctx)
	if s.broken.Load() || err != nil {
		return 1
	}
	for _, b := range sharing.Budgets {
		if b.Name == s.budget.Name {
			return int(b.Users)
		}
	}
	return 1
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
