package keeper

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
	"gptpipe/pkg/pace"
)

var limits = proto.Budget{Name: "b", PerSecond: 0.5, PerMinute: 10, TokensPerMinute: 600}

// used leaves a ledger with a budget that has just started a request and owes 60 seconds' worth of tokens, and one more.
func used(t *testing.T) (dir string) {
	dir = t.TempDir()
	s := newBudgets(dir)
	defer s.close()
	for _, b := range []proto.Budget{limits, {Name: "other", PerSecond: 100}} {
		p := newPeer([16]byte{}, nil)
		joined := s.join(p, b)
		joined.Start(time.Now())
		s.ledger.write(joined)
	}
	s.settle(newPeer([16]byte{}, nil), proto.Settle{Name: "b", Used: 10 + 600})
	return dir
}

func TestLedger(t *testing.T) {
	dir := used(t)
	for name, c := range map[string]struct {
		clock time.Duration // what it is set by
		due   time.Duration // until the next start
		debt  time.Duration
		known int
	}{
		"at once":        {0, 6 * time.Second, time.Minute, 2},
		"set back":       {-time.Hour, 6 * time.Second, time.Minute, 2},
		"four seconds":   {4 * time.Second, 2 * time.Second, 56 * time.Second, 2},
		"an hour ahead":  {time.Hour, 0, 0, 2},
		"a year ahead":   {365 * 24 * time.Hour, 0, 0, 0},
		"a century back": {-100 * 365 * 24 * time.Hour, 6 * time.Second, time.Minute, 2},
	} {
		l := openLedger(shifted(t, dir, c.clock))
		if len(l.known) != c.known {
			t.Errorf("%s: %d known", name, len(l.known))
		}
		a, _, found := l.open("b")
		asked := pace.Limits{PerSecond: limits.PerSecond, PerMinute: limits.PerMinute, TokensPerMinute: limits.TokensPerMinute}
		if c.known > 0 && found != asked {
			t.Errorf("%s: limits %+v", name, found)
		}
		now := time.Now()
		a.Limit(asked, now)
		near := func(what string, got, want time.Duration) {
			if got < want-time.Second || got > want+time.Second {
				t.Errorf("%s: %s after %v, not %v", name, what, got, want)
			}
		}
		near("the next start", max(0, a.Due(now).Sub(now)), c.due)
		near("no debt", a.Debt(now, 0), c.debt)
	}
}

// shifted copies a ledger as if the clock had been set by d since it was written.
func shifted(t *testing.T, dir string, d time.Duration) string {
	b, err := os.ReadFile(filepath.Join(dir, place.Budgets))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for ; len(b) > 0; b = b[ledgerSlot:] {
		var e entry
		if !unpack(b[:ledgerSlot], &e) {
			t.Fatal("a bad entry")
		}
		e.Written -= int64(d)
		out = append(out, pack(&e, ledgerSlot)...)
	}
	copied := t.TempDir()
	if err := os.WriteFile(filepath.Join(copied, place.Budgets), out, 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

// A byte that is wrong costs one budget its state, and its slot is used again.
func TestDamagedLedger(t *testing.T) {
	dir := used(t)
	path := filepath.Join(dir, place.Budgets)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ledgerSlot {
		b := append([]byte(nil), whole...)
		b[i] ^= 0x10
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		l := openLedger(dir)
		if len(l.known) != 1 || l.file.take() != 0 || l.file.take() != 2 {
			t.Fatalf("byte %d: %+v", i, l)
		}
	}
	for n := range whole {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		openLedger(dir)
	}
}

// Budgets without users are dropped after a day, and those without limits at once.
func TestBudgetsAreForgotten(t *testing.T) {
	s := newBudgets(t.TempDir())
	defer s.close()
	p := newPeer([16]byte{}, nil)
	s.use(p, proto.Budgets{limits, {Name: "free"}})
	b := s.byName["b"]
	b.Start(time.Now())
	s.ledger.write(b)
	s.drop(p)
	if s.byName["b"] != b || len(s.byName) != 1 {
		t.Errorf("after its user left: %v", s.byName)
	}
	b.used = time.Now().Add(-remembered - time.Second)
	s.use(p, proto.Budgets{{Name: "next", PerSecond: 1}})
	if s.byName["b"] != nil {
		t.Error("after a day it is still there")
	}
	s.ledger.write(s.byName["next"])
	if s.byName["next"].slot != 0 {
		t.Errorf("its slot is not used again: %d", s.byName["next"].slot)
	}
}

// Where there are too many, those go that have not been used for the longest time, but none with users.
func TestTooManyBudgets(t *testing.T) {
	s := newBudgets(t.TempDir())
	defer s.close()
	gone, stays := newPeer([16]byte{}, nil), newPeer([16]byte{}, nil)
	s.use(stays, proto.Budgets{{Name: "stays", PerSecond: 1}})
	for n := range maxBudgets - 1 {
		s.use(gone, proto.Budgets{{Name: strconv.Itoa(n), PerSecond: 1}})
		s.byName[strconv.Itoa(n)].Start(time.Now())
	}
	if s.use(stays, proto.Budgets{{Name: "one more", PerSecond: 1}}); s.byName["one more"] != nil {
		t.Error("there is room beside those in use")
	}
	s.drop(gone)
	s.byName["7"].used = time.Now().Add(-time.Hour)
	s.byName["stays"].used = time.Now().Add(-2 * time.Hour)
	if s.use(stays, proto.Budgets{{Name: "one more", PerSecond: 1}}); s.byName["one more"] == nil || s.byName["7"] != nil || s.byName["stays"] == nil {
		t.Errorf("%d budgets: one more %v, 7 %v, stays %v", len(s.byName), s.byName["one more"], s.byName["7"], s.byName["stays"])
	}
}
