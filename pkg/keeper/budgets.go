package keeper

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"gptpipe/pkg/hub/proto"
	"gptpipe/pkg/pace"
)

const (
	remembered = 24 * time.Hour // how long a budget without users is, unless there are too many
	maxBudgets = 4096
	maxHold    = time.Hour              // that a server may ask for
	recallTime = 100 * time.Millisecond // for those who were free to say that they heard
)

var errBudgets = errors.New("too many budgets")

// budgets pace the starts of requests. Those that may not start yet wait here, and while some do a timer runs for the
// next of each budget.
//
// Connections take turns: each has a line of requests, and when a start is due the first line gives its first request
// and goes to the end. So one that comes alone waits for one start of each of the others at most.
//
// While a budget has no limits, those who ask for a start are told that they need not ask: they are free. When it gets a
// limit they are told that too, and before anything else starts each has said that it heard, or some time has passed.
//
// The state of a budget with limits is in the ledger at each start, before it is answered, so that the next keeper
// goes on from there however this one ends.
type budgets struct {
	mu        sync.Mutex
	closed    bool
	inherited bool // the limits of the last keeper's users are in force, as those of a user without a connection
	byName    map[string]*budget
	ledger    *ledger
}

type budget struct {
	*pace.Account
	name     string
	slot     int // in the ledger; -1: none yet
	users    map[*peer]pace.Limits
	limits   pace.Limits   // in force
	lines    []*line       // those with requests, in the order of their turns
	used     time.Time     // when it was last
	reserved map[*peer]int // tokens, not settled
	timer    *time.Timer   // runs while requests wait

	epoch    uint64             // how often those who were free have been told that they are not
	free     map[*peer]struct{} // those who start without asking
	recalled map[*peer]struct{} // those who were, and have not said that they heard
	until    time.Time          // when they are waited for no more
}

type line struct {
	peer     *peer
	requests []*request
}

// A request waits for its start.
type request struct {
	proto.Start
	peer  *peer
	frame uint64
}

func newBudgets(cacheDir string) *budgets {
	return &budgets{inherited: true, byName: make(map[string]*budget), ledger: openLedger(cacheDir)}
}

// start has a request answered when it may start.
func (s *budgets) start(r *request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.join(r.peer, r.Budget)
	if b == nil {
		r.peer.reply(proto.Failed, r.frame, []byte(errBudgets.Error()))
		return
	}
	i := slices.IndexFunc(b.lines, func(l *line) bool { return l.peer == r.peer })
	if i < 0 {
		i = len(b.lines)
		b.lines = append(b.lines, &line{peer: r.peer})
	}
	b.lines[i].requests = append(b.lines[i].requests, r)
	s.dispatch(b)
}

// use makes a peer a user of budgets.
func (s *budgets) use(p *peer, list proto.Budgets) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, want := range list {
		b := s.join(p, want)
		if b == nil {
			continue
		}
		if _, ok := b.recalled[p]; ok {
			delete(b.recalled, p)
			s.dispatch(b)
		}
	}
}

// join makes a peer a user of a budget, with the limits that it asks for now. Here as below the caller holds mu.
func (s *budgets) join(p *peer, want proto.Budget) *budget {
	b := s.byName[want.Name]
	if b == nil {
		if b = s.add(want.Name); b == nil {
			return nil
		}
	}
	limits := pace.Limits{PerSecond: want.PerSecond, PerMinute: want.PerMinute, TokensPerMinute: want.TokensPerMinute}
	if have, joined := b.users[p]; !joined || have != limits {
		b.users[p] = limits
		s.limit(b)
	}
	return b
}

func (s *budgets) add(name string) *budget {
	now := time.Now()
	s.dropIdle(now)
	if len(s.byName) >= maxBudgets {
		return nil
	}
	b := &budget{
		name:     name,
		users:    make(map[*peer]pace.Limits),
		reserved: make(map[*peer]int),
		used:     now,
		free:     make(map[*peer]struct{}),
		recalled: make(map[*peer]struct{}),
	}
	b.timer = time.AfterFunc(time.Hour, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.dispatch(b)
	})
	b.timer.Stop()
	var limits pace.Limits
	if b.Account, b.slot, limits = s.ledger.open(name); s.inherited && limits != (pace.Limits{}) {
		b.users[nil] = limits
	}
	s.byName[name] = b
	return b
}

// dropIdle drops budgets that were not used for long, or where there are too many, those of the longest time.
func (s *budgets) dropIdle(now time.Time) {
	var idle []*budget
	for _, b := range s.byName {
		if len(b.users) == 0 {
			idle = append(idle, b)
		}
	}
	slices.SortFunc(idle, func(a, b *budget) int { return a.used.Compare(b.used) })
	for _, b := range idle {
		if now.Sub(b.used) <= remembered && len(s.byName) < maxBudgets {
			return
		}
		s.ledger.file.free(b.slot)
		delete(s.byName, b.name)
	}
}

// limit brings the strictest limits of a budget's users into force. When the keeper leaves, they stay for the next.
func (s *budgets) limit(b *budget) {
	if s.closed {
		return
	}
	var strictest pace.Limits
	for _, want := range b.users {
		strictest.PerSecond = stricter(strictest.PerSecond, want.PerSecond)
		strictest.PerMinute = stricter(strictest.PerMinute, want.PerMinute)
		strictest.TokensPerMinute = stricter(strictest.TokensPerMinute, want.TokensPerMinute)
	}
	if strictest != b.limits {
		b.limits = strictest
		b.Limit(strictest, time.Now())
		s.ledger.write(b)
		b.recall()
		s.dispatch(b)
	}
}

// recall tells those who are free that they are not.
func (b *budget) recall() {
	if len(b.free) == 0 {
		return
	}
	b.epoch++
	b.until = time.Now().Add(recallTime)
	for p := range b.free {
		b.recalled[p] = struct{}{}
		p.tell(proto.Limited, proto.Free{Epoch: b.epoch, Name: b.name}.Append(nil))
	}
	clear(b.free)
}

func stricter(a, b float64) float64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// dispatch starts what may start now, and sets the timer for the next.
func (s *budgets) dispatch(b *budget) {
	b.timer.Stop()
	for !s.closed && len(b.lines) > 0 {
		now := time.Now()
		d := max(b.Due(now).Sub(now), b.Debt(now, int(b.lines[0].requests[0].Tokens)))
		if len(b.recalled) > 0 {
			d = max(d, b.until.Sub(now))
		}
		if d > 0 {
			b.timer.Reset(d)
			return
		}
		clear(b.recalled)
		r := b.turn()
		if b.limits == (pace.Limits{}) {
			b.free[r.peer] = struct{}{}
			r.peer.reply(proto.OK, r.frame, proto.Free{Epoch: b.epoch, Name: b.name}.Append(nil))
			continue
		}
		b.Start(now)
		b.Withdraw(now, int(r.Tokens))
		b.reserve(r.peer, int(r.Tokens))
		s.ledger.write(b)
		r.peer.reply(proto.Paced, r.frame, proto.Grant{At: proto.Clock(), Good: b.Tolerance()}.Append(nil))
	}
}

// turn takes the first request of the first line.
func (b *budget) turn() *request {
	l := b.lines[0]
	r := l.requests[0]
	l.requests = l.requests[1:]
	if b.lines = b.lines[1:]; len(l.requests) > 0 {
		b.lines = append(b.lines, l)
	}
	return r
}

// forget removes a request that waits. If it has started, its answer crossed this; then only its tokens come back.
func (s *budgets) forget(p *peer, start proto.Start) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.byName[start.Budget.Name]
	if b == nil {
		return
	}
	if b.remove(func(r *request) bool { return r.peer == p && r.ID == start.ID }) == 0 {
		b.reserve(p, -int(start.Tokens))
		now := time.Now()
		b.Correct(now, now, -int(start.Tokens)) // it has just been granted
		s.ledger.write(b)
	}
	s.dispatch(b)
}

// remove removes the requests that match and answers how many they were.
func (b *budget) remove(match func(*request) bool) (n int) {
	b.lines = slices.DeleteFunc(b.lines, func(l *line) bool {
		before := len(l.requests)
		l.requests = slices.DeleteFunc(l.requests, match)
		gone := before - len(l.requests)
		l.peer.waiting.Add(int32(-gone))
		n += gone
		return len(l.requests) == 0
	})
	return n
}

// settle corrects what a request reserved, perhaps with the last keeper.
func (s *budgets) settle(p *peer, m proto.Settle) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.byName[m.Name]; b != nil {
		b.reserve(p, -int(m.Reserved))
		now := time.Now()
		b.Correct(now, now.Add(-max(0, m.Age)), int(m.Used)-int(m.Reserved))
		s.ledger.write(b)
		s.dispatch(b)
	}
}

// reserve notes tokens that a peer has taken by estimate, or if negative, that they have been settled.
func (b *budget) reserve(p *peer, tokens int) {
	if b.reserved[p] += tokens; b.reserved[p] <= 0 {
		delete(b.reserved, p)
	}
}

func (s *budgets) hold(m proto.Hold) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.byName[m.Name]; b != nil && m.For > 0 {
		b.Hold(time.Now().Add(min(m.For, maxHold)))
		b.recall()
		s.ledger.write(b)
		s.dispatch(b)
	}
}

// drop forgets what a peer waits for, and the limits that it asked for, and gives back what it reserved: what its requests
// under way took nobody will tell.
func (s *budgets) drop(p *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.byName {
		if _, joined := b.users[p]; !joined {
			continue
		}
		delete(b.users, p)
		delete(b.free, p)
		delete(b.recalled, p)
		b.used = time.Now()
		b.remove(func(r *request) bool { return r.peer == p })
		if n := b.reserved[p]; n > 0 && !s.closed { // else it is settled with the next keeper
			delete(b.reserved, p)
			b.Correct(b.used, time.Time{}, -n)
			s.ledger.write(b)
		}
		s.limit(b)
		s.dispatch(b)
		if len(b.users) == 0 && b.slot < 0 && !b.Due(b.used).After(b.used) {
			delete(s.byName, b.name) // there is nothing to be remembered
		}
	}
}

// disinherit lifts the limits of those users of the last keeper who have not come back.
func (s *budgets) disinherit() {
	s.mu.Lock()
	s.inherited = false
	s.mu.Unlock()
	s.drop(nil)
}

// stop starts nothing more.
func (s *budgets) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *budgets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ledger.file.close()
}

func (s *budgets) stats() []proto.BudgetUse {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []proto.BudgetUse
	for _, b := range s.byName {
		u := proto.BudgetUse{Users: uint64(len(b.users)), Held: b.Held(time.Now()), Budget: proto.Budget{
			Name:            b.name,
			PerSecond:       b.limits.PerSecond,
			PerMinute:       b.limits.PerMinute,
			TokensPerMinute: b.limits.TokensPerMinute,
		}}
		for _, l := range b.lines {
			u.Waiting += uint64(len(l.requests))
		}
		if _, inherited := b.users[nil]; inherited {
			u.Users--
		}
		if u.Users > 0 {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b proto.BudgetUse) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
