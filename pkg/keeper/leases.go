package keeper

import (
	"path/filepath"
	"slices"
	"sync"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
)

// leaseLife is how long a lease lasts unless it is renewed. Its holder is stopped then, or hangs: one that has ended is
// known by its connection.
var leaseLife = 15 * time.Second

// leases say who asks the model for which key, and who waits for that. A key has a lease in one of these states:
//
//	   none ◀───────────── a value: all who wait have it ─────────────┐
//	    │ ▲                                                           │
//	an Ask │ nobody waits                                             │
//	    ▼ │                                                           │
//	   held ──the first of those who wait──▶ held ──a value───────────┘
//	        released, its connection ended,
//	        or not renewed while others wait
//
// Who holds a lease is in a file, before the grant is answered, so that the next keeper knows it however this one ends:
// it begins with the last one's holders, and gives them some time to come back.
type leases struct {
	found func(hit bool) // told how each Ask ended

	mu     sync.Mutex
	closed bool
	byKey  map[proto.Key]*lease
	file   *slots
	ghosts map[[16]byte]*peer // of the last keeper's sessions, in place of their connections
}

type lease struct {
	holder *ask
	queue  []*ask      // of those who wait
	timer  *time.Timer // runs while there are both
}

// An ask is a request for a value or for the lease.
type ask struct {
	proto.Ask
	peer    *peer
	frame   uint64
	granted time.Time
	slot    int // in the file, of a holder
}

const leaseSlot = 64

// A holding is what is in a slot of the file.
type holding struct {
	Session [16]byte
	Ask     proto.Ask
}

func newLeases(cacheDir string, found func(hit bool)) *leases {
	l := &leases{found: found, byKey: make(map[proto.Key]*lease), ghosts: make(map[[16]byte]*peer)}
	now := time.Now()
	var h holding
	l.file = readSlots(filepath.Join(cacheDir, place.Leases), leaseSlot, &h, func(slot int) bool {
		p := l.ghosts[h.Session]
		if p == nil {
			p = newPeer(h.Session, nil)
			l.ghosts[h.Session] = p
		}
		a := &ask{Ask: h.Ask, peer: p, granted: now, slot: slot}
		if l.byKey[a.Key] != nil || p.asks[a.ID] != nil {
			return false
		}
		p.asks[a.ID] = a
		l.byKey[a.Key] = &lease{holder: a}
		return true
	})
	return l
}

// disinherit removes those of the last keeper's holders who have not come back.
func (l *leases) disinherit() {
	for _, p := range l.ghosts {
		l.drop(p)
	}
}

// ask answers from the store, or grants the lease, or returns nil, nil and the answer comes later.
func (k *keeper) ask(a *ask) (*proto.Frame, error) {
	value, err := k.store.get(a.Key)
	if err == nil {
		k.leases.found(true)
		return &proto.Frame{Code: proto.OK, Body: value}, nil
	}
	granted, err := k.leases.ask(a)
	if !granted {
		return nil, err
	}
	// It may have been stored, and the lease on it ended, since we looked.
	if value, err = k.store.get(a.Key); err == nil {
		k.leases.put(a.Key, value)
		k.leases.found(true)
		return &proto.Frame{Code: proto.OK, Body: value}, nil
	}
	k.leases.found(false)
	return &proto.Frame{Code: proto.Granted, Body: lifetime()}, nil
}

func lifetime() []byte { return proto.Count(leaseLife).Append(nil) }

// ask returns whether the lease is granted at once.
func (l *leases) ask(a *ask) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.peer.asks[a.ID] != nil {
		return false, proto.ErrMessage
	}
	x := l.byKey[a.Key]
	if x == nil {
		x = new(lease)
		l.byKey[a.Key] = x
	}
	a.peer.asks[a.ID] = a
	switch h := x.holder; {
	case h == nil:
	case h.is(a.peer, a.ID): // the grant was lost with the last connection
		l.move(x, a)
		return true, nil
	case len(x.queue) == 0 && h.left() <= 0:
		l.end(x)
	}
	if x.holder == nil && len(x.queue) == 0 && !l.closed {
		l.hold(x, a)
		return true, nil
	}
	x.queue = append(x.queue, a)
	l.watch(x, a.Key)
	return false, nil
}

// hold makes an ask the holder of a free lease, and end ends that.
func (l *leases) hold(x *lease, a *ask) {
	x.holder, a.granted = a, time.Now()
	a.slot = l.file.write(-1, &holding{a.peer.session, a.Ask})
}

func (l *leases) end(x *lease) {
	delete(x.holder.peer.asks, x.holder.ID)
	if !l.closed { // else it is for the next keeper
		l.file.free(x.holder.slot)
	}
	x.holder = nil
}

// move gives the place of a holder to the same ask over another connection. The file is not touched: if it were, there
// would be a moment at which nobody held the lease, and a kill in it would let another ask the model again.
func (l *leases) move(x *lease, a *ask) {
	delete(x.holder.peer.asks, x.holder.ID)
	a.slot, a.granted = x.holder.slot, time.Now()
	a.peer.asks[a.ID] = a
	x.holder = a
	l.watch(x, a.Key)
}

// is says whether an ask is the client's of that number, over whichever connection.
func (a *ask) is(p *peer, id uint64) bool { return a.ID == id && a.peer.session == p.session }

// left is how long a holder's lease still lasts.
func (a *ask) left() time.Duration {
	from := a.granted
	if a.peer.renewed.After(from) {
		from = a.peer.renewed
	}
	return leaseLife - time.Since(from)
}

// next gives a free lease to the first of those who wait. Here as below the caller holds mu.
func (l *leases) next(x *lease, key proto.Key) {
	if len(x.queue) > 0 && !l.closed {
		a := x.queue[0]
		x.queue = x.queue[1:]
		l.hold(x, a)
		l.found(false)
		a.peer.reply(proto.Granted, a.frame, lifetime())
	}
	l.watch(x, key)
}

// watch sets the timer for the end of the lease, if others wait for it, and forgets a lease that nobody wants.
func (l *leases) watch(x *lease, key proto.Key) {
	if x.timer != nil {
		x.timer.Stop()
	}
	switch {
	case x.holder == nil && len(x.queue) == 0:
		delete(l.byKey, key)
	case x.holder == nil || len(x.queue) == 0:
	case x.timer == nil:
		x.timer = time.AfterFunc(x.holder.left(), func() { l.expire(x, key) })
	default:
		x.timer.Reset(x.holder.left())
	}
}

func (l *leases) expire(x *lease, key proto.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byKey[key] != x || x.holder == nil || len(x.queue) == 0 {
		return
	}
	if x.holder.left() > 0 { // it was renewed
		l.watch(x, key)
		return
	}
	l.end(x)
	l.next(x, key)
}

// put ends the lease on a key, whoever had it, and gives all who wait the value.
func (l *leases) put(key proto.Key, value []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	x := l.byKey[key]
	if x == nil {
		return
	}
	if x.holder != nil {
		l.end(x)
	}
	for _, a := range x.queue {
		delete(a.peer.asks, a.ID)
		l.found(true)
		a.peer.reply(proto.OK, a.frame, value)
	}
	x.queue = nil
	l.watch(x, key)
}

// release ends what a peer holds or waits for.
func (l *leases) release(p *peer, a proto.Ask) {
	l.mu.Lock()
	defer l.mu.Unlock()
	mine := p.asks[a.ID]
	if x := l.byKey[a.Key]; mine == nil && x != nil && x.holder != nil && x.holder.is(p, a.ID) {
		mine = x.holder // over an earlier connection
	}
	if mine != nil {
		l.remove(mine)
	}
}

func (l *leases) remove(a *ask) {
	x := l.byKey[a.Key]
	if x.holder == a {
		l.end(x)
		l.next(x, a.Key)
		return
	}
	delete(a.peer.asks, a.ID)
	x.queue = slices.DeleteFunc(x.queue, func(b *ask) bool { return a == b })
	a.peer.waiting.Add(-1)
	l.watch(x, a.Key)
}

// drop removes all that a peer waits for, and then what it holds, so that nothing goes from it to itself.
func (l *leases) drop(p *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range p.asks {
		if l.byKey[a.Key].holder != a {
			l.remove(a)
		}
	}
	for _, a := range p.asks {
		l.remove(a)
	}
}

func (l *leases) renew(p *peer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p.renewed = time.Now()
}

// retake gives a peer the leases that it had, over another connection or from another keeper, unless somebody else has
// them by now.
func (l *leases) retake(p *peer, list proto.Asks) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, old := range list {
		x := l.byKey[old.Key]
		if x == nil {
			x = new(lease)
		}
		if h := x.holder; p.asks[old.ID] != nil || h != nil && !h.is(p, old.ID) {
			continue
		}
		mine := &ask{Ask: old, peer: p}
		if x.holder != nil {
			l.move(x, mine)
			continue
		}
		p.asks[old.ID] = mine
		l.hold(x, mine)
		l.byKey[old.Key] = x
		l.watch(x, old.Key)
	}
}

// stop grants nothing more.
func (l *leases) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}

func (l *leases) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.file.close()
}

func (l *leases) stats() (held, waiting uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.byKey {
		if x.holder != nil {
			held++
		}
		waiting += uint64(len(x.queue))
	}
	return held, waiting
}
