package keeper

import (
	"crypto/sha256"
	"path/filepath"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/pace"
)

// A ledger is the file in which accounts outlive the keeper, a slot for each budget that has had limits, or for which
// the server has asked to wait.
//
// Times are of the wall clock, because no other outlives the machine, and are used once, when the file is read: a clock
// that was set back meanwhile counts as one that stood still, and one that was set forward repays what was owed.
type ledger struct {
	file  *slots
	known map[sum]finding // of the last keeper, until they are opened
}

type sum = [sha256.Size]byte

const ledgerSlot = 128

// An entry is what is in a slot.
type entry struct {
	Name    sum
	Written int64       // nanoseconds of the Unix clock
	State   pace.State  // as of then
	Limits  pace.Limits // in force
}

// A finding is an entry with its time on this keeper's clock.
type finding struct {
	entry
	slot int
	at   time.Time
}

func openLedger(cacheDir string) *ledger {
	l := &ledger{known: make(map[sum]finding)}
	now := time.Now()
	var e entry
	l.file = readSlots(filepath.Join(cacheDir, place.Budgets), ledgerSlot, &e, func(slot int) bool {
		age := max(0, time.Duration(now.UnixNano()-e.Written))
		if age > remembered {
			return false
		}
		l.known[e.Name] = finding{e, slot, now.Add(-age)}
		return true
	})
	return l
}

// maxOldHold is how long a hold of the last keeper's time is kept to: who has found it too long can stop the keeper.
const maxOldHold = time.Minute

// open answers the account of a budget as the last keeper left it, its slot or -1, and the limits that were in force.
func (l *ledger) open(name string) (*pace.Account, int, pace.Limits) {
	f, found := l.known[sha256.Sum256([]byte(name))]
	if !found {
		return pace.New(), -1, pace.Limits{}
	}
	delete(l.known, f.Name)
	f.State.Hold = min(f.State.Hold, maxOldHold)
	return pace.Restore(f.State, f.at), f.slot, f.Limits
}

// write stores the account of a budget, unless there is nothing to be remembered.
func (l *ledger) write(b *budget) {
	now := time.Now()
	if b.slot < 0 && b.limits == (pace.Limits{}) && b.Held(now) == 0 {
		return
	}
	b.slot = l.file.write(b.slot, &entry{
		Name:    sha256.Sum256([]byte(b.name)),
		Written: now.UnixNano(),
		State:   b.State(now),
		Limits:  b.limits,
	})
}
