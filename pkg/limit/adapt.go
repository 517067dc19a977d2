package limit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/pace"
	"gptpipe/pkg/panics"
)

// A limit that is as good as new in less than this is found quickly by what it
// turns away, and what is said of it is too old when it comes.
const leastReset = 10 * time.Second

// A pause without requests of more than this does not count as time.
const pause = 10 * time.Second

// askEvery is how often it is asked who shares the limit, while requests are turned away.
const askEvery = 10 * time.Second

// Adapt paces next at the rate that its server bears, when nobody has given a
// limit, or one that is too high. It asks users, now and then, how many processes
// send requests that the same limit counts, this one among them.
//
// What a server says with each answer of its limits (how many requests or
// tokens remain, and when all of them will be there again) is spread over that
// time, unless it is short. For a bucket that fills all the time, this comes to rest where it is
// half full and the rate is the limit; for one that is filled once a minute, it
// uses up what remains by then. Several processes that do it share the limit.
//
// Where it says nothing, requests that are turned away (429), if they are clearly
// more than one in a hundred, cut the rate to 87 % of what got through, once a
// second at most, or if clearly nothing did, to a quarter; and it grows again, by
// a few per cent in some hundred answers and faster the longer there is no other
// cut. That is additive increase and multiplicative decrease (AIMD), but that the
// increase is in proportion, for nobody knows the scale. If as many are turned away at the lower
// rates, much likelier by chance than by a limit, it is not our rate that they are
// turned away for: then the cuts are undone, and for a while there are none but
// for more than that; the rate doubles with as many answers as show that. Runs
// that share a limit do turn requests of each other away by chance, and need to
// be surer. Of latency nothing is concluded: it varies with the length of answers.
//
// A server that lets nothing through is asked ever more seldom, down to twice a
// minute, until it does. If it lets the same number through twice, of eight or
// more, from when it opens until it does again, it is taken for one that counts
// requests by the minute, say, or hour, and the rate comes to rest near what that
// is in the mean.
//
// Fewer than eight requests say nothing, and cut nothing, but four since the last
// cut that were all turned away: the backoff of retries, or the wait that the
// server asks for, is the first answer. If it asks for one, the first cut waits
// for thirty-two. After a cut that knew little, or went deep, slow start finds the
// rate: it doubles with each eight answers, in a second at the soonest, until a
// request is turned away, or the rate is near what it was. A rate that holds
// nobody up is lifted.
//
// A server that says that it is overloaded has too many requests at once, and
// it is their number that is bounded, by AIMD too.
func Adapt(next llm.Completer, users func(context.Context) int) *Adapter {
	return &Adapter{next: next, users: users, line: newLocal(pace.Limits{})}
}

// An Adapter is what Adapt puts around a Completer.
type Adapter struct {
	next    llm.Completer
	users   func(context.Context) int
	line    *local
	paced   atomic.Bool  // there has been a rate in force
	waiting atomic.Int32 // in line
	crowd   crowd

	mu     sync.Mutex // guards all below
	told   float64    // starts a second by what the server says; 0: as many as one likes
	aimd              // the same by what it turned away
	starts times
	tokens float64 // mean of an answer
	known  float64 // answers that it is the mean of

	sharers int       // that users has told
	asked   time.Time // when
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
		a.waiting.Add(1)
		_, err := a.line.Start(ctx, func() int { return 0 })
		a.waiting.Add(-1)
		if err != nil {
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
		a.answered(now, begin, resp)
	case e != nil && e.Type == llm.RateLimit && !overloaded:
		a.turnedAway(now, begin, e)
	}
	return resp, err
}

func (a *Adapter) begin(now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.starts.n == 0 {
		a.since, a.gate.opened = now, now
	} else if idle := a.starts.back(now, 1); idle > max(pause, 2*a.interval()) { // in which nothing was to be tried
		a.since, a.grown = earlier(now, a.since.Add(idle)), earlier(now, a.grown.Add(idle))
		a.gate.idle(now, idle)
	}
	a.starts.add(now)
	a.sent++
	a.excess.send(a.belief.usual)
	a.belief.sent++
}

// answered learns from a good answer to a request that was begun at a time.
func (a *Adapter) answered(now, begun time.Time, resp *llm.Response) {
	took := now.Sub(begun)
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
	free := a.told == 0 && told == 0 && a.found == 0
	a.told = told
	a.grow(now, begun)
	if !free {
		a.enforce(now)
	}
}

// ask has it found out how many share the limit, if it was not of late. The caller holds mu.
func (a *Adapter) ask(now time.Time) {
	if now.Sub(a.asked) < askEvery {
		return
	}
	a.asked = now
	panics.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), askEvery)
		defer cancel()
		n := a.users(ctx)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.sharers = n
	})
}

// spread is the rate at which what remains lasts until all is there again. A
// request takes so much of it, and those begun since this one, which is so old,
// are not in it yet.
func (a *Adapter) spread(now time.Time, q llm.Allowance, age time.Duration, each float64) float64 {
	if q.Reset < max(leastReset, 2*age) {
		return 0
	}
	room := q.Remaining/max(each, 1) - float64(a.starts.within(now, age)-1)
	return max(room/q.Reset.Seconds(), slowest)
}

// enforce brings the slower of the two rates into force. The caller holds mu.
func (a *Adapter) enforce(now time.Time) {
	rate := slower(a.told, a.found)
	if rate > fastest {
		rate = 0
	}
	a.line.limit(pace.Limits{PerSecond: rate}, now)
	a.paced.Store(true)
}

// slower is the lower of two rates, of which 0 is none.
func slower(a, b float64) float64 {
	if a == 0 || b > 0 && b < a {
		return b
	}
	return a
}
