package limit

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
)

const (
	slowest = 0.2    // starts a second that are left whatever the server says: if it means it, it says so to one of them
	fastest = 10_000 // starts a second above which there is nothing to pace

	decrease = 0.87        // of what got through, after the server turned a request away
	settled  = time.Second // until a cut shows, in which there is no other

	tolerated = 0.004            // of the requests since the last cut may be turned away without another
	blindness = 30 * time.Second // after cuts that did harm

	// After a cut the rate grows by a power of e: of this much for each second and
	// for its square, or for each answer and its cube, whichever is less. So it
	// grows slowly where the limit was found, and then faster, for it may be
	// another by now; and of few answers few are risked.
	perSecond, perSecond2 = 0.01, 0.001
	perAnswer, perAnswer3 = 0.0002, 0.000000005

	// A limit that is as good as new in less than this is found quickly by what it
	// turns away, and what is said of it is too old when it comes.
	leastReset = 10 * time.Second

	few = 8 // answers that a rate is taken from, if there are not as many in a second
)

// Adapt paces next at the rate that its server bears, when nobody has given a
// limit, or one that is too high.
//
// What a server says with each answer of its limits (how many requests or
// tokens remain, and when all of them will be there again) is spread over that
// time, unless it is short. For a bucket that fills all the time, this comes to rest where it is
// half full and the rate is the limit; for one that is filled once a minute, it
// uses up what remains by then. Several processes that do it share the limit.
//
// Where it says nothing, requests that are turned away (429), if they are more
// than a few in a thousand, cut the rate to 87 % of what got through, once a
// second at most, unless that has done nothing but harm; and it grows again by
// some per cent a second. That is additive increase and multiplicative decrease
// (AIMD), but that the increase is in proportion, for nobody knows the scale. Of
// latency nothing is concluded: it varies with the length of answers.
//
// A server that says that it is overloaded has too many requests at once, and
// it is their number that is bounded, by AIMD too.
func Adapt(next llm.Completer) *Adapter {
	return &Adapter{next: next, line: newLocal(pace.Limits{})}
}

// An Adapter is what Adapt puts around a Completer.
type Adapter struct {
	next  llm.Completer
	line  *local
	paced atomic.Bool // there is a rate in force
	crowd crowd

	mu      sync.Mutex // guards all below
	told    float64    // starts a second by what the server says; 0: as many as one likes
	found   float64    // the same by what it turned away
	base    float64    // what found was last cut to
	cut     time.Time  // when
	answers float64    // since then
	sent    float64    // requests, since then
	refused float64    // of these

	lastThrough float64   // what got through a second before the last cut
	lastPart    float64   // the part that was turned away then
	before      float64   // the rate before the first of the useless cuts
	useless     int       // cuts in a row after which less got through
	blind       time.Time // nothing is cut before
	starts      times
	turned      times   // when requests were turned away
	tokens      float64 // mean of an answer
	known       float64 // answers that it is the mean of
}

// Rate is how many requests a second it lets through just now; 0: all of them.
func (a *Adapter) Rate() float64 {
	if !a.paced.Load() {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slower(a.told, a.found)
}

// AtOnce is how many requests it has in flight at most just now; 0: as many as come.
func (a *Adapter) AtOnce() int {
	a.crowd.mu.Lock()
	defer a.crowd.mu.Unlock()
	return int(a.crowd.most)
}

// Complete implements llm.Completer.
func (a *Adapter) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	if a.paced.Load() {
		if _, err := a.line.Start(ctx, func() int { return 0 }); err != nil {
			return nil, err
		}
	}
	if err := a.crowd.enter(ctx); err != nil {
		return nil, err
	}
	begin := time.Now()
	a.begin(begin)
	resp, err := a.next.Complete(ctx, req)
	now := time.Now()
	e := llm.Failed(err)
	overloaded := e != nil && e.Overload
	a.crowd.leave(now, begin, err == nil, overloaded)
	switch {
	case err == nil:
		a.answered(now, now.Sub(begin), resp)
	case e != nil && e.Type == llm.RateLimit && !overloaded:
		a.turnedAway(now, begin)
	}
	return resp, err
}

func (a *Adapter) begin(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.starts.add(now)
	a.sent++
}

// answered learns from a good answer that took so long.
func (a *Adapter) answered(now time.Time, took time.Duration, resp *llm.Response) {
	var input, output int
	if resp.Allowed.Tokens.Reset > 0 {
		input, output = resp.Tokens()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if input+output > 0 {
		a.known = min(a.known+1, memory)
		a.tokens += (float64(input+output) - a.tokens) / a.known
	}
	told := a.spread(now, resp.Allowed.Requests, took, 1)
	if a.known > 0 {
		told = slower(told, a.spread(now, resp.Allowed.Tokens, took, a.tokens))
	}
	if a.told == 0 && told == 0 && a.found == 0 {
		return
	}
	a.told = told
	if a.found > 0 {
		a.answers++
		t, n := now.Sub(a.cut).Seconds(), a.answers
		a.found = a.base * math.Exp(min(perSecond*t+perSecond2*t*t, perAnswer*n+perAnswer3*n*n*n))
		if n, span := a.starts.last(now); a.found > max(few, 4*float64(n)/span.Seconds()) {
			a.found = 0 // it holds nobody up
		}
	}
	a.enforce(now)
}

// spread is the rate at which what remains lasts until all is there again. A
// request takes so much of it, and those begun since this one, which is so old,
// are not in it yet.
func (a *Adapter) spread(now time.Time, q llm.Allowance, age time.Duration, each float64) float64 {
	if q.Reset < max(leastReset, 2*age) {
		return 0
	}
	room := q.Remaining/max(each, 1) - float64(a.starts.within(now, age)-1)
	return max(room, 0.01) / q.Reset.Seconds()
}

// turnedAway learns from a request that was begun too soon.
func (a *Adapter) turnedAway(now, begun time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turned.add(now)
	if begun.Before(a.cut) {
		return // to which the cut is the answer
	}
	a.refused++
	if now.Sub(a.cut) < settled || now.Before(a.blind) || a.found > 0 && a.refused <= tolerated*a.sent {
		return
	}
	rate := a.through(now)
	if a.found > 0 { // which was wrong by the part that was refused; but there may have been a queue
		rate = a.found * max(1-a.refused/max(a.sent, a.refused), 0.5)
	}
	if a.harmful(now) {
		a.cutTo(a.before, now)
		a.blind = now.Add(blindness)
		a.enforce(now)
		return
	}
	a.cutTo(max(decrease*rate, slowest), now)
	a.enforce(now)
}

// harmful judges the last cuts: if with the rate what gets through has gone down
// three times running, and as large a part is turned away as ever, it is not our rate
// that requests are turned away for, but say that of others who share the limit. The
// caller holds mu.
func (a *Adapter) harmful(now time.Time) bool {
	rate, through, part := a.found, a.through(now), 1.0
	if a.found > 0 {
		through = (a.sent - a.refused) / max(now.Sub(a.cut).Seconds(), 1)
		part = a.refused / max(a.sent, a.refused)
	} else {
		n, span := a.starts.last(now)
		rate = float64(n) / span.Seconds()
	}
	switch {
	case a.found == 0 || through > 0.93*a.lastThrough || changed(part, a.lastPart):
		a.useless, a.before = 0, rate
	default:
		a.useless++
	}
	a.lastThrough, a.lastPart = through, part
	return a.useless >= 3
}

// changed says whether the part of the requests that is turned away is clearly another
// than before: less, so that the cut has helped; or so much more that the server can do
// less than it could, and what gets through has gone down with that.
func changed(part, before float64) bool {
	return math.Abs(part-before) > 0.1 && (part < 0.7*before || part > 5*before)
}

func (a *Adapter) cutTo(rate float64, now time.Time) {
	a.found, a.base, a.cut = rate, rate, now
	a.answers, a.sent, a.refused = 0, 0, 0
}

// through is how many requests a second are not turned away, as far as that is
// known of those in flight.
func (a *Adapter) through(now time.Time) float64 {
	starts, span := a.starts.last(now)
	return max(float64(starts-a.turned.within(now, span)), 0) / span.Seconds()
}

// enforce brings the slower of the two rates into force. The caller holds mu.
func (a *Adapter) enforce(now time.Time) {
	rate := slower(a.told, a.found)
	if rate > 0 {
		rate = max(rate, slowest)
	}
	if rate > fastest {
		rate = 0
	}
	a.line.limit(pace.Limits{PerSecond: rate}, now)
	a.paced.Store(rate > 0)
}

// slower is the lower of two rates, of which 0 is none.
func slower(a, b float64) float64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}

// times are when things happened last, in a ring.
type times struct {
	at [2048]time.Time
	n  int // in all
}

func (t *times) add(now time.Time) {
	t.at[t.n%len(t.at)] = now
	t.n++
}

// back is how long ago the last but i happened, from 1 on.
func (t *times) back(now time.Time, i int) time.Duration { return now.Sub(t.at[(t.n-i)%len(t.at)]) }

// within is how many happened in a span of time until now.
func (t *times) within(now time.Time, span time.Duration) (n int) {
	for n < min(t.n, len(t.at)) && t.back(now, n+1) <= span {
		n++
	}
	return n
}

// last is how many happened in the last second, or if these are few, since the
// last few began.
func (t *times) last(now time.Time) (n int, span time.Duration) {
	held := min(t.n, len(t.at))
	n = t.within(now, time.Second)
	switch {
	case n == len(t.at):
		return n, t.back(now, n)
	case n < min(few, held):
		n = min(few, held)
		return n, max(t.back(now, n), time.Second)
	}
	return n, time.Second
}
