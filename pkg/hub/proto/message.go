package proto

import (
	"errors"
	"math"
	"time"
)

// Version is the version of this protocol. After hellos of different versions one operation is left, [OpStop], whose
// code, empty body and reply stay the same in all versions, as the frames around them do: so a newer client can have an
// older keeper replaced.
const Version = 2

// Key names a cached value.
type Key = [32]byte

// ErrMessage says that the body of a frame is not the message it should be.
var ErrMessage = errors.New("malformed message")

const magic = "gptpipe\x00"

// Hello is the first frame each way. Its layout stays the same in all versions, so that peers can tell each other
// which one they speak.
type Hello struct {
	Version uint64
	// Session is a client's own random number. It outlives a connection: the keeper knows by it that an Add sent
	// again after a broken connection was counted already.
	Session [16]byte
	// Stays is what a keeper says that was started by hand: it is not asked to finish for one of another version.
	Stays bool
	// Notice is what a keeper has to tell the user, one line of at most MaxNotice bytes. It tells one client.
	Notice string
}

// Append appends the message to b, as the Append of every message here does.
func (h Hello) Append(b []byte) []byte {
	b = appendUint64(append(b, magic...), h.Version)
	b = append(b, h.Session[:]...)
	return appendString(appendBool(b, h.Stays), h.Notice)
}

// ParseHello reads a Hello, or returns ErrMessage, as every Parse function here does.
func ParseHello(b []byte) (Hello, error) {
	d := decoder{b: b}
	if string(d.take(uint64(len(magic)))) != magic {
		return Hello{}, ErrMessage
	}
	h := Hello{Version: d.uint64()}
	copy(h.Session[:], d.take(uint64(len(h.Session))))
	h.Stays, h.Notice = d.bool(), d.string()
	return h, d.err()
}

// Put stores a value.
type Put struct {
	Key   Key
	TTL   time.Duration // how long from now; 0 or less: for ever
	Model string        // at most MaxModel bytes
	Value []byte        // at most MaxValue bytes; after ParsePut it shares the memory of the body
}

func (p Put) Append(b []byte) []byte {
	b = append(b, p.Key[:]...)
	b = appendUint64(b, uint64(p.TTL))
	b = appendString(b, p.Model)
	return append(b, p.Value...)
}

// ParsePut reads a Put.
func ParsePut(b []byte) (p Put, err error) {
	d := decoder{b: b}
	copy(p.Key[:], d.take(uint64(len(p.Key))))
	p.TTL = d.duration()
	p.Model = d.string()
	p.Value = d.b
	if len(p.Model) > MaxModel || len(p.Value) > MaxValue {
		return p, ErrMessage
	}
	return p, d.err()
}

// ParseKey reads the body of a Get.
func ParseKey(b []byte) (k Key, err error) {
	if len(b) != len(k) {
		return k, ErrMessage
	}
	return Key(b), nil
}

// Add adds to counters. Seq grows with every Add of a session, and one that is not above the last is not counted again.
type Add struct {
	Seq    uint64
	Deltas map[string]float64 // no NaN, no infinity: they would stay in the total for ever

	// Gauges are what is so now, in place of what the last Add of the session said. They are forgotten when the
	// connection ends.
	Gauges map[string]float64
}

func (a Add) Append(b []byte) []byte {
	return appendCounts(appendCounts(appendUint64(b, a.Seq), a.Deltas), a.Gauges)
}

// ParseAdd reads an Add.
func ParseAdd(b []byte) (Add, error) {
	d := decoder{b: b}
	a := Add{Seq: d.uint64(), Deltas: d.counts(), Gauges: d.counts()}
	for _, counts := range []map[string]float64{a.Deltas, a.Gauges} {
		for _, v := range counts {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return a, ErrMessage
			}
		}
	}
	return a, d.err()
}

// Counts is the state of all counters.
type Counts map[string]float64

func (c Counts) Append(b []byte) []byte { return appendCounts(b, c) }

// ParseCounts reads a Counts.
func ParseCounts(b []byte) (Counts, error) {
	d := decoder{b: b}
	c := d.counts()
	return c, d.err()
}

// Count is one number.
type Count uint64

func (c Count) Append(b []byte) []byte { return appendUint64(b, uint64(c)) }

// ParseCount reads a Count.
func ParseCount(b []byte) (Count, error) {
	d := decoder{b: b}
	c := Count(d.uint64())
	return c, d.err()
}

// Brief asks for Stats without what there is to be counted first, Entries and Bytes. An older keeper counts all the same.
const Brief = "\x01"

// Stats says what a keeper holds and has done.
type Stats struct {
	Entries uint64 // values that have not expired
	Bytes   uint64 // disk space that the database takes
	Hits    uint64 // since the cache folder was made, as the next two
	Misses  uint64
	Stores  uint64
	Users   uint64 // connections now, without the one that asks
	PID     uint64 // of the keeper
	Sharing Sharing
}

func (s Stats) Append(b []byte) []byte {
	for _, n := range []uint64{s.Entries, s.Bytes, s.Hits, s.Misses, s.Stores, s.Users, s.PID} {
		b = appendUint64(b, n)
	}
	return s.Sharing.append(b)
}

// ParseStats reads a Stats.
func ParseStats(b []byte) (s Stats, err error) {
	d := decoder{b: b}
	for _, n := range []*uint64{&s.Entries, &s.Bytes, &s.Hits, &s.Misses, &s.Stores, &s.Users, &s.PID} {
		*n = d.uint64()
	}
	s.Sharing = d.sharing()
	return s, d.err()
}

// Purge removes the values that match all of what it names; with nothing named, all of them.
type Purge struct {
	Older time.Duration // stored longer ago than this; 0: however new
	Model string        // of a model whose name begins so
}

func (p Purge) Append(b []byte) []byte {
	return appendString(appendUint64(b, uint64(p.Older)), p.Model)
}

// ParsePurge reads a Purge.
func ParsePurge(b []byte) (Purge, error) {
	d := decoder{b: b}
	p := Purge{Older: d.duration(), Model: d.string()}
	return p, d.err()
}
