package keeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/proto"
)

const (
	storeEvery = 2 * time.Second // while counters change
	// A session's last number is needed for as long as the client may send the same Add again, which it does within
	// seconds unless its process is stopped.
	sessionLife = 10 * time.Minute
)

// counters are the totals of all processes and of the keeper itself. They live in memory and are stored in the
// database while they change, before it is closed, and never by a clock that ticks for nothing.
type counters struct {
	store                *store
	hits, misses, stores atomic.Uint64
	unsaved              atomic.Bool
	loaded               atomic.Bool // what an earlier keeper stored
	timer                *time.Timer
	ticking              atomic.Bool // the timer runs

	mu       sync.Mutex
	totals   *totals
	sessions map[[16]byte]session
	gauges   map[[16]byte]proto.Counts // of the sessions that are connected; not stored
}

// A session is how far a client's Adds have been counted.
type session struct {
	seq  uint64
	seen time.Time
}

func newCounters(s *store) *counters {
	c := &counters{store: s, totals: newTotals(), sessions: make(map[[16]byte]session), gauges: make(map[[16]byte]proto.Counts)}
	c.timer = time.AfterFunc(time.Hour, func() {
		c.ticking.Store(false)
		s.useToWrite(c.save)
	})
	c.timer.Stop()
	s.keep = func(db *badger.DB, anew bool) {
		if anew {
			c.unsaved.Store(true)
		}
		if c.loaded.Load() {
			c.save(db)
		}
	}
	return c
}

func (c *counters) lookup(hit bool) {
	if hit {
		c.hits.Add(1)
	} else {
		c.misses.Add(1)
	}
	c.touch()
}

func (c *counters) stored() {
	c.stores.Add(1)
	c.touch()
}

// add counts what has not been counted and answers all totals.
func (c *counters) add(id [16]byte, a proto.Add) proto.Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.Seq > c.sessions[id].seq {
		c.sessions[id] = session{a.Seq, time.Now()}
		c.totals.add(a.Deltas)
		if len(a.Deltas) > 0 {
			c.touch()
		}
		if c.gauges[id] = c.totals.gauges(a.Gauges); len(a.Gauges) == 0 {
			delete(c.gauges, id)
		}
	}
	return c.sum()
}

// drop forgets the gauges of a session that has gone.
func (c *counters) drop(id [16]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.gauges, id)
}

func (c *counters) all() proto.Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sum()
}

// sum adds all gauges to the totals. The caller holds mu.
func (c *counters) sum() proto.Counts {
	all := maps.Clone(c.totals.counts)
	for _, gauges := range c.gauges {
		for name, n := range gauges {
			all[name] += n
		}
	}
	return all
}

func (c *counters) stats() proto.Stats {
	return proto.Stats{Hits: c.hits.Load(), Misses: c.misses.Load(), Stores: c.stores.Load()}
}

func (c *counters) touch() {
	c.unsaved.Store(true)
	if !c.ticking.Swap(true) {
		c.timer.Reset(storeEvery)
	}
}

// save stores the counters if they have changed. If that fails, the next change or the end of the keeper tries again.
func (c *counters) save(db *badger.DB) error {
	c.timer.Stop()
	c.ticking.Store(false)
	if !c.unsaved.Swap(false) {
		return nil
	}
	err := c.store.checkSpace(0)
	if err == nil {
		err = c.store.storeState(db, countersEntry, c.encode())
	}
	if err != nil {
		c.unsaved.Store(true)
	}
	return err
}

// load reads what an earlier keeper stored. Counters that cannot be read begin again: the answers are worth more. An
// error is one of opening the databases.
func (c *counters) load() error {
	state, err := c.store.state(countersEntry)
	if err == nil {
		err = c.decode(state)
	}
	c.loaded.Store(true)
	switch {
	case errors.Is(err, badger.ErrKeyNotFound) || errors.Is(err, errNothing):
		return nil
	case errors.Is(err, errDamaged):
		c.touch() // so that the next keeper does not tell it again
		c.store.notices.add("the counters could not be read and begin again: " + err.Error())
		return nil
	}
	return err
}

// encode writes all that is kept: the keeper's own three counts, the number of sessions, the sessions (id, number,
// time), the totals.
func (c *counters) encode() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.sessions, func(_ [16]byte, s session) bool { return time.Since(s.seen) > sessionLife })

	le := binary.LittleEndian
	var b []byte
	for _, n := range []uint64{c.hits.Load(), c.misses.Load(), c.stores.Load(), uint64(len(c.sessions))} {
		b = le.AppendUint64(b, n)
	}
	for id, s := range c.sessions {
		b = append(b, id[:]...)
		b = le.AppendUint64(b, s.seq)
		b = le.AppendUint64(b, uint64(s.seen.Unix()))
	}
	return c.totals.counts.Append(b)
}

func (c *counters) decode(b []byte) error {
	const head, each = 4 * 8, 16 + 2*8
	le := binary.LittleEndian
	if len(b) < head || le.Uint64(b[24:]) > uint64(len(b)-head)/each {
		return errDamaged
	}
	n := le.Uint64(b[24:])
	counts, err := proto.ParseCounts(b[head+n*each:])
	if err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hits.Store(le.Uint64(b))
	c.misses.Store(le.Uint64(b[8:]))
	c.stores.Store(le.Uint64(b[16:]))
	for b = b[head:]; n > 0; n-- {
		c.sessions[[16]byte(b)] = session{le.Uint64(b[16:]), time.Unix(int64(le.Uint64(b[24:])), 0)}
		b = b[each:]
	}
	c.totals.add(counts)
	return nil
}
