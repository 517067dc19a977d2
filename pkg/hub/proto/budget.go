package proto

import (
	"encoding/binary"
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// The operations on rate budgets.
const (
	OpStart  byte = 20 + iota // body: Start; answered when the request may start
	OpForget                  // body: the Start; it is no longer wanted, and costs nothing
	OpSettle                  // body: Settle
	OpHold                    // body: Hold
	OpUse                     // body: Budgets; makes the connection a user of them
)

// Limited is the status of what a keeper tells unasked, in a frame without an id: a budget of which it had said that
// starts need not be asked for, because it was Free, is so no more. The body is the Free, of which the epoch is the
// first that counts again. The client answers by OpUse of the budget, and asks again for each start.
const Limited byte = 17

// Paced is the status of the reply to a Start that had to wait its turn. The body is the Grant.
const Paced byte = 18

// The bounds of budgets.
const (
	MaxName   = 4 << 10 // bytes of a budget's name
	MaxTokens = 1 << 24 // of one request, several times what any model takes
)

// A Budget is a rate of requests that all processes share. The limits are what one user of it asks for, and 0 is no
// limit; in force are the strictest of what its present users ask. A user is a connection, from its first Start or Use.
type Budget struct {
	Name            string  // the endpoint, profile and model that it is for, of at most MaxName bytes
	PerSecond       float64 // requests
	PerMinute       float64 // requests
	TokensPerMinute float64
}

// Valid says whether a keeper takes the budget: no limit is negative or no number, and the name is not too long.
func (b Budget) Valid() bool {
	for _, limit := range []float64{b.PerSecond, b.PerMinute, b.TokensPerMinute} {
		if !(limit >= 0) || math.IsInf(limit, 1) {
			return false
		}
	}
	return len(b.Name) <= MaxName
}

func (b Budget) Append(to []byte) []byte {
	to = appendString(to, b.Name)
	for _, limit := range []float64{b.PerSecond, b.PerMinute, b.TokensPerMinute} {
		to = appendUint64(to, math.Float64bits(limit))
	}
	return to
}

func (d *decoder) budget() Budget {
	b := Budget{Name: d.string(), PerSecond: d.float(), PerMinute: d.float(), TokensPerMinute: d.float()}
	if !b.Valid() {
		d.b, d.bad = nil, true
	}
	return b
}

// Budgets are several of them.
type Budgets []Budget

func (list Budgets) Append(to []byte) []byte {
	for _, b := range list {
		to = b.Append(to)
	}
	return to
}

// ParseBudgets reads a Budgets.
func ParseBudgets(b []byte) (list Budgets, err error) {
	d := decoder{b: b}
	for len(d.b) > 0 {
		list = append(list, d.budget())
	}
	return list, d.err()
}

// Start asks to start a request.
type Start struct {
	ID     uint64 // tells it from the client's others
	Tokens uint64 // that it will take, by estimate, at most MaxTokens
	Budget Budget
}

func (s Start) Append(b []byte) []byte {
	return s.Budget.Append(appendUint64(appendUint64(b, s.ID), s.Tokens))
}

// ParseStart reads a Start.
func ParseStart(b []byte) (Start, error) {
	d := decoder{b: b}
	s := Start{ID: d.uint64(), Tokens: d.uint64(), Budget: d.budget()}
	if s.Tokens > MaxTokens {
		return s, ErrMessage
	}
	return s, d.err()
}

// Free is the body of the reply to a Start, if nothing is in the way of any start of its budget: until the client hears
// that it is Limited, from the same epoch on, it may start others without asking. Else the reply is Paced.
type Free struct {
	Epoch uint64 // how often the budget has been limited
	Name  string
}

func (f Free) Append(b []byte) []byte { return appendString(appendUint64(b, f.Epoch), f.Name) }

// ParseFree reads a Free.
func ParseFree(b []byte) (Free, error) {
	d := decoder{b: b}
	f := Free{Epoch: d.uint64(), Name: d.string()}
	return f, d.err()
}

// A Grant says when a request was let start. A process that is scheduled late would send late, and its request fall into
// the window of others; so a grant that is older than it is good for is given back by OpForget, and asked for again.
type Grant struct {
	At   time.Duration // of [Clock]
	Good time.Duration // for how long
}

func (g Grant) Append(b []byte) []byte {
	return appendUint64(appendUint64(b, uint64(g.At)), uint64(g.Good))
}

// ParseGrant reads a Grant.
func ParseGrant(b []byte) (Grant, error) {
	d := decoder{b: b}
	g := Grant{At: d.duration(), Good: d.duration()}
	return g, d.err()
}

// Clock is a time that all processes of the machine agree on and nobody can set. In a container with a time namespace of
// its own it may be off by any constant.
func Clock() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// Settle says what a request took for which a Start reserved tokens.
type Settle struct {
	Name     string // of the budget
	Reserved uint64 // both at most MaxTokens
	Used     uint64
	Age      time.Duration // since it started
}

func (s Settle) Append(b []byte) []byte {
	return appendUint64(appendString(appendUint64(appendUint64(b, s.Reserved), s.Used), s.Name), uint64(s.Age))
}

// ParseSettle reads a Settle.
func ParseSettle(b []byte) (Settle, error) {
	d := decoder{b: b}
	s := Settle{Reserved: d.uint64(), Used: d.uint64(), Name: d.string()}
	if len(d.b) > 0 { // clients that are older do not tell
		s.Age = d.duration()
	}
	if s.Reserved > MaxTokens || s.Used > MaxTokens {
		return s, ErrMessage
	}
	return s, d.err()
}

// Hold lets nothing of a budget start for a time.
type Hold struct {
	Name string // of the budget
	For  time.Duration
}

func (h Hold) Append(b []byte) []byte { return appendString(appendUint64(b, uint64(h.For)), h.Name) }

// ParseHold reads a Hold.
func ParseHold(b []byte) (Hold, error) {
	d := decoder{b: b}
	h := Hold{For: d.duration(), Name: d.string()}
	return h, d.err()
}

// Sharing says which leases and budgets are in use.
type Sharing struct {
	Leases  uint64 // held
	Waiting uint64 // Asks that wait for one, or for the value
	Budgets []BudgetUse
}

// A BudgetUse is a budget with the limits in force.
type BudgetUse struct {
	Budget
	Users   uint64        // connections
	Waiting uint64        // requests that wait for their start
	Held    time.Duration // for so long none starts, as the server has asked
}

func (s Sharing) append(b []byte) []byte {
	b = appendUint64(appendUint64(b, s.Leases), s.Waiting)
	b = binary.AppendUvarint(b, uint64(len(s.Budgets)))
	for _, u := range s.Budgets {
		b = appendUint64(appendUint64(appendUint64(u.Budget.Append(b), u.Users), u.Waiting), uint64(u.Held))
	}
	return b
}

func (d *decoder) sharing() (s Sharing) {
	s.Leases, s.Waiting = d.uint64(), d.uint64()
	for n := d.length(); n > 0 && !d.bad; n-- {
		s.Budgets = append(s.Budgets, BudgetUse{d.budget(), d.uint64(), d.uint64(), d.duration()})
	}
	return s
}
