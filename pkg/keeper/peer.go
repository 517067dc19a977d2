package keeper

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"gptpipe/pkg/hub/proto"
)

// graceTime is how long the leases and limits of the last keeper's users are kept for them. They come back within
// milliseconds, or do not live any more.
const graceTime = time.Second

// maxWaiting is how many requests of one connection may wait.
const maxWaiting = 1 << 16

var errWaiting = errors.New("too many requests wait on this connection")

// A peer is a connection, as leases and budgets know it.
type peer struct {
	session [16]byte
	replies chan<- proto.Frame
	late    sync.WaitGroup // replies on their way into the channel
	waiting atomic.Int32   // requests without a reply in the channel

	asks    map[uint64]*ask // that hold a lease or wait; guarded by leases.mu, as the next
	renewed time.Time       // when its leases were
}

func newPeer(session [16]byte, replies chan<- proto.Frame) *peer {
	return &peer{session: session, replies: replies, asks: make(map[uint64]*ask)}
}

// reply answers a request that has waited, and does not wait itself: not for a client that does not read.
func (p *peer) reply(code byte, frame uint64, body []byte) {
	p.late.Go(func() {
		p.replies <- proto.Frame{Code: code, ID: frame, Body: body}
		p.waiting.Add(-1)
	})
}

// tell says something unasked, and does not wait either.
func (p *peer) tell(code byte, body []byte) {
	p.late.Go(func() { p.replies <- proto.Frame{Code: code, Body: body} })
}

// forget ends what a connection waits for and holds. All of its other requests have been answered.
func (k *keeper) forget(p *peer) {
	k.leases.drop(p)
	k.budgets.drop(p)
	k.counters.drop(p.session)
	p.late.Wait()
}

func shared(code byte) bool { return code >= proto.OpAsk && code <= proto.OpUse }

// share does what a request about leases or budgets asks. It runs in the order of the connection's requests, and takes
// no time: what has to wait is answered later. An error means that it is no request.
func (k *keeper) share(p *peer, f proto.Frame) error {
	if p.waiting.Add(1) > maxWaiting {
		p.replies <- proto.Frame{Code: proto.Failed, ID: f.ID, Body: []byte(errWaiting.Error())}
		p.waiting.Add(-1)
		return nil
	}
	reply, err := k.doShared(p, f)
	if err != nil || reply == nil {
		return err
	}
	reply.ID = f.ID
	p.replies <- *reply
	p.waiting.Add(-1)
	return nil
}

// doShared returns nil if the reply comes later.
func (k *keeper) doShared(p *peer, f proto.Frame) (*proto.Frame, error) {
	var err error
	switch f.Code {
	case proto.OpAsk:
		var a proto.Ask
		if a, err = proto.ParseAsk(f.Body); err == nil {
			return k.ask(&ask{Ask: a, peer: p, frame: f.ID})
		}
	case proto.OpRelease:
		var a proto.Ask
		if a, err = proto.ParseAsk(f.Body); err == nil {
			k.leases.release(p, a)
		}
	case proto.OpRenew:
		k.leases.renew(p)
	case proto.OpRetake:
		var list proto.Asks
		if list, err = proto.ParseAsks(f.Body); err == nil {
			k.leases.retake(p, list)
		}
	case proto.OpStart:
		var s proto.Start
		if s, err = proto.ParseStart(f.Body); err == nil {
			k.budgets.start(&request{Start: s, peer: p, frame: f.ID})
			return nil, nil
		}
	case proto.OpForget:
		var s proto.Start
		if s, err = proto.ParseStart(f.Body); err == nil {
			k.budgets.forget(p, s)
		}
	case proto.OpSettle:
		var s proto.Settle
		if s, err = proto.ParseSettle(f.Body); err == nil {
			k.budgets.settle(p, s)
		}
	case proto.OpHold:
		var h proto.Hold
		if h, err = proto.ParseHold(f.Body); err == nil {
			k.budgets.hold(h)
		}
	case proto.OpUse:
		var list proto.Budgets
		if list, err = proto.ParseBudgets(f.Body); err == nil {
			k.budgets.use(p, list)
		}
	}
	return &proto.Frame{Code: proto.OK}, err
}

// inherited ends the time in which the users of the last keeper may come back to what they had.
func (k *keeper) inherited() {
	k.leases.disinherit()
	k.budgets.disinherit()
}

func (k *keeper) sharing() proto.Sharing {
	s := proto.Sharing{Budgets: k.budgets.stats()}
	s.Leases, s.Waiting = k.leases.stats()
	return s
}
