package keeper

import (
	"errors"
	"testing"
	"time"

	"gptpipe/pkg/hub/proto"
)

// A database that was closed because nobody used it is opened again by the next who does, and the counters with it.
func TestIdleStoreClosesAndOpens(t *testing.T) {
	s := newStore(t.TempDir())
	defer s.close()
	c := newCounters(s)
	put := proto.Put{Key: proto.Key{1}, Value: []byte("x"), TTL: time.Hour}
	if err := s.put(put); err == nil {
		t.Error("a put into a folder that is not there yet") // Serve opens it first
	}
	if err := s.open(); err != nil {
		t.Fatal(err)
	}
	if err := s.put(put); err != nil {
		t.Fatal(err)
	}
	c.stored()

	s.closeIdle()
	if s.db == nil {
		t.Fatal("closed while in use")
	}
	s.used.Store(time.Now().Add(-idleTime).UnixNano())
	s.closeIdle()
	if s.db != nil {
		t.Fatal("open though idle")
	}
	if value, err := s.get(put.Key); err != nil || string(value) != "x" {
		t.Fatalf("%q, %v", value, err)
	}
	again := newCounters(s)
	if err := again.load(); err != nil || again.stats().Stores != 1 {
		t.Errorf("%+v, %v", again.stats(), err)
	}

	s.close()
	if err := s.put(put); !errors.Is(err, errClosed) {
		t.Errorf("put after the end: %v", err)
	}
}

func TestSeal(t *testing.T) {
	key, value := []byte("key"), []byte("value")
	b := seal(key, value, 42)
	if got, expiry, err := unseal(key, b); err != nil || string(got) != "value" || expiry != 42 {
		t.Fatalf("%q, %d, %v", got, expiry, err)
	}
	if _, _, err := unseal([]byte("other"), b); err == nil {
		t.Error("the value of another key")
	}
	for i := range b {
		b[i] ^= 1
		if _, _, err := unseal(key, b); err == nil {
			t.Errorf("byte %d changed", i)
		}
		b[i] ^= 1
	}
	if _, _, err := unseal(key, b[:sealSize-1]); err == nil {
		t.Error("cut")
	}
}

func TestCountersState(t *testing.T) {
	s := newStore(t.TempDir())
	c := newCounters(s)
	c.add([16]byte{1}, proto.Add{Seq: 3, Deltas: map[string]float64{"a": 1}})
	c.add([16]byte{2}, proto.Add{Seq: 1, Deltas: map[string]float64{"b": 2}})
	c.lookup(true)
	c.sessions[[16]byte{3}] = session{1, time.Now().Add(-2 * sessionLife)}
	state := c.encode()

	d := newCounters(s)
	if err := d.decode(state); err != nil {
		t.Fatal(err)
	}
	if d.hits.Load() != 1 || len(d.sessions) != 2 || d.sessions[[16]byte{1}].seq != 3 || d.all()["b"] != 2 {
		t.Errorf("%+v", d)
	}
	if got := d.add([16]byte{1}, proto.Add{Seq: 3, Deltas: map[string]float64{"a": 1}}); got["a"] != 1 {
		t.Errorf("counted twice: %v", got)
	}
	for n := range state {
		if err := newCounters(s).decode(state[:n]); err == nil {
			t.Errorf("state cut at %d of %d is taken", n, len(state))
		}
	}
}
