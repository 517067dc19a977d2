package keeper

import (
	"maps"
	"slices"
	"testing"
	"time"

	"gptpipe/pkg/hub/proto"
)

// FuzzLeases plays any sequence of events to leases, and holds them against what must be true at all times: a key has
// one holder at most, nobody waits for a lease that is free, and each request gets one answer, in the order in which
// they came.
func FuzzLeases(f *testing.F) {
	f.Add([]byte{0, 0x00, 0, 0x01, 0, 0x10, 2, 0x00}) // ask, ask, ask by another, put
	f.Add([]byte{0, 0x00, 0, 0x10, 0, 0x20, 3, 0x00, 1, 0x10, 5, 0x00})
	f.Add([]byte{0, 0x00, 0, 0x10, 4, 0x10, 0, 0x10, 3, 0x10, 2, 0x00})
	f.Add([]byte{0, 0x00, 0, 0x11, 6, 0x00, 0, 0x20, 4, 0x00, 8, 0x00, 5, 0x00, 2, 0x00})
	f.Add([]byte{0, 0x00, 6, 0x00, 0, 0x10, 5, 0x00, 6, 0x00, 6, 0x00, 2, 0x00})
	f.Add([]byte{0, 0x00, 0, 0x10, 7, 0x00, 0, 0x20, 5, 0x00})
	f.Fuzz(func(t *testing.T, events []byte) {
		if len(events) > 400 {
			return
		}
		m := newModel(t)
		for ; len(events) >= 2; events = events[2:] {
			m.play(events[0]%9, int(events[1]>>4), proto.Key{events[1] & 3})
		}
		for i := range m.peers {
			m.play(3, i, proto.Key{})
		}
		m.play(8, 0, proto.Key{})
		if len(m.leases.byKey) > 0 {
			t.Fatalf("left over: %v", m.leases.byKey)
		}
		m.play(6, 0, proto.Key{})
		m.leases.close()
	})
}

// A model knows what each request should have been told.
type model struct {
	t      *testing.T
	dir    string
	leases *leases
	peers  []*peer
	inbox  []chan proto.Frame
	last   uint64
	queue  map[proto.Key][]*ask // those without an answer, in order
	holder map[proto.Key]*ask   // who was told last that it has the lease, and has not lost it since
	frames map[uint64]*ask
}

func newModel(t *testing.T) *model {
	m := &model{t: t, dir: t.TempDir(), holder: make(map[proto.Key]*ask)}
	m.start()
	return m
}

// start starts a keeper, to which all clients connect.
func (m *model) start() {
	m.leases = newLeases(m.dir, func(bool) {})
	m.queue = make(map[proto.Key][]*ask)
	m.frames = make(map[uint64]*ask)
	m.peers, m.inbox = nil, nil
	for i := range 16 {
		inbox := make(chan proto.Frame, 1000)
		m.inbox = append(m.inbox, inbox)
		m.peers = append(m.peers, newPeer([16]byte{byte(i)}, inbox))
	}
}

func (m *model) ghost(a *ask) bool { return a != nil && m.leases.ghosts[a.peer.session] == a.peer }

func (m *model) play(event byte, i int, key proto.Key) {
	p := m.peers[i]
	switch event {
	case 0, 1: // ask
		m.last++
		a := &ask{Ask: proto.Ask{ID: m.last, Key: key}, peer: p, frame: m.last}
		m.frames[a.frame] = a
		p.waiting.Add(1)
		m.queue[key] = append(m.queue[key], a)
		granted, err := m.leases.ask(a)
		if err != nil {
			m.t.Fatal(err)
		}
		if granted {
			m.granted(a)
			p.waiting.Add(-1)
		}
	case 2: // put
		m.leases.put(key, []byte("value"))
		m.collect()
		if len(m.queue[key]) > 0 {
			m.t.Fatal("the value did not reach all")
		}
		delete(m.holder, key)
	case 3: // the connection ends
		for key, q := range m.queue {
			m.queue[key] = slices.DeleteFunc(q, func(a *ask) bool { return a.peer == p })
		}
		maps.DeleteFunc(m.holder, func(_ proto.Key, a *ask) bool { return a.peer == p })
		m.leases.drop(p)
		m.collect()
		if len(p.asks) > 0 || p.waiting.Load() != 0 {
			m.t.Fatalf("%d asks of a connection that is gone, %d waiting", len(p.asks), p.waiting.Load())
		}
	case 4: // a holder comes back, or moves to another connection
		m.last++
		a := proto.Ask{ID: m.last, Key: key}
		if h := m.holder[key]; m.ghost(h) {
			a, p = h.Ask, m.peers[h.peer.session[0]]
			delete(m.holder, key)
		}
		m.leases.retake(p, proto.Asks{a})
		if m.holder[key] == nil {
			m.holder[key] = p.asks[a.ID]
		}
	case 5: // release, of the holder or else of one who waits
		a := m.holder[key]
		switch {
		case a != nil:
			delete(m.holder, key)
		case len(m.queue[key]) > 0:
			a = m.queue[key][len(m.queue[key])-1]
			m.queue[key] = m.queue[key][:len(m.queue[key])-1]
		default:
			return
		}
		m.leases.release(m.peers[a.peer.session[0]], a.Ask)
	case 6: // another keeper
		m.leases.stop()
		m.leases.close()
		m.start()
		for key, h := range m.holder {
			x := m.leases.byKey[key]
			if x == nil || !m.ghost(x.holder) || !x.holder.is(h.peer, h.ID) {
				m.t.Fatalf("the next keeper does not know that %d is the holder", h.ID)
			}
			m.holder[key] = x.holder
		}
		if len(m.leases.byKey) != len(m.holder) {
			m.t.Fatalf("%d holders remembered, not %d", len(m.leases.byKey), len(m.holder))
		}
	case 8: // holders have had their time to come back
		maps.DeleteFunc(m.holder, func(_ proto.Key, a *ask) bool { return m.ghost(a) })
		m.leases.disinherit()
	case 7: // nobody renewed for a while
		for _, p := range m.peers {
			p.renewed = time.Time{}
		}
		x := m.leases.byKey[key]
		if x == nil || x.holder == nil || len(x.queue) == 0 {
			return
		}
		x.holder.granted = time.Now().Add(-leaseLife)
		delete(m.holder, key)
		m.leases.expire(x, key)
	}
	m.collect()
	m.check()
}

// collect takes the answers that are on their way.
func (m *model) collect() {
	var all []proto.Frame
	for i, p := range m.peers {
		p.late.Wait()
		for len(m.inbox[i]) > 0 {
			all = append(all, <-m.inbox[i])
		}
	}
	slices.SortFunc(all, func(a, b proto.Frame) int { return int(a.ID) - int(b.ID) })
	for _, f := range all {
		a := m.frames[f.ID]
		if a == nil {
			m.t.Fatalf("a second answer, or one to nobody: %+v", f)
		}
		if f.Code == proto.Granted {
			m.granted(a)
			continue
		}
		if string(f.Body) != "value" {
			m.t.Fatalf("answer %+v", f)
		}
		delete(m.frames, f.ID)
		m.queue[a.Key] = slices.DeleteFunc(m.queue[a.Key], func(b *ask) bool { return a == b })
	}
}

func (m *model) granted(a *ask) {
	if h := m.holder[a.Key]; h != nil {
		m.t.Fatalf("two holders: %d and %d", h.ID, a.ID)
	}
	if q := m.queue[a.Key]; len(q) == 0 || q[0] != a {
		m.t.Fatalf("%d had the lease out of turn", a.ID)
	}
	delete(m.frames, a.frame)
	m.queue[a.Key] = m.queue[a.Key][1:]
	m.holder[a.Key] = a
}

func (m *model) check() {
	for key, x := range m.leases.byKey {
		if x.holder != m.holder[key] {
			m.t.Fatalf("the holder is %+v, not %+v", x.holder, m.holder[key])
		}
		if !slices.Equal(x.queue, m.queue[key]) {
			m.t.Fatalf("%d wait, not %d", len(x.queue), len(m.queue[key]))
		}
		if x.holder == nil {
			m.t.Fatal("a lease that nobody has, and nobody is given")
		}
	}
	for key := range m.holder {
		if m.leases.byKey[key] == nil {
			m.t.Fatal("a lease was lost")
		}
	}
}
