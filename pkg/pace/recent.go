package pace

import "time"

// Parts of a limit on tokens: what sixty seconds may have of it, for estimates that are corrected leave some of it unused
// where they were too high; and above what a request does not wait for room.
const (
	room  = 1.005
	large = 1.0 / 20
)

// What is taken in a slot counts for sixty seconds from its end.
const (
	slot  = 250 * time.Millisecond
	slots = int(time.Minute/slot) + 1
)

// recent is what was taken of a limit on tokens in the last sixty seconds.
type recent struct {
	limit float64
	taken [slots]int // in each slot, in a ring
	sum   int
	begin time.Time // of the first
	now   int       // the number of the slot that it is
}

// pass lets time pass.
func (r *recent) pass(now time.Time) {
	if r.begin.IsZero() {
		r.begin = now
	}
	n := int(now.Sub(r.begin) / slot)
	for r.now = max(r.now, n-slots); r.now < n; {
		r.now++
		r.sum -= r.taken[r.now%slots]
		r.taken[r.now%slots] = 0
	}
}

// take notes n of a request that started at a time: when it starts, and when it becomes known what it took. Noted at that
// time, a correction would count for longer than what it corrects.
func (r *recent) take(now, started time.Time, n int) {
	r.pass(now)
	if started.Before(r.begin) {
		return // under another limit
	}
	if i := min(int(started.Sub(r.begin)/slot), r.now); i > r.now-slots {
		r.taken[i%slots] += n
		r.sum += n
	}
}

// wait is how long it takes until there is room for n.
func (r *recent) wait(now time.Time, n int) time.Duration {
	if float64(n) > large*r.limit {
		return 0
	}
	r.pass(now)
	left := r.sum + n
	for i := 1; i <= slots && float64(left) > room*r.limit; i++ { // the oldest first
		if left -= r.taken[(r.now+i)%slots]; float64(left) <= room*r.limit {
			return r.begin.Add(time.Duration(r.now+i) * slot).Sub(now)
		}
	}
	return 0
}
