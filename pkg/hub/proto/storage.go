package proto

import (
	"cmp"
	"encoding/binary"
	"math"
	"time"
)

// The operations on what is stored; 8 to 15 are theirs.
const (
	OpList    byte = 8 + iota // body: List; answered by Entries
	OpImport                  // body: Entry; answered by a Count: 1 if it was stored
	OpCompact                 // answered, when it is done, by nothing
	OpStorage                 // answered by Storage
)

// The bounds of one answer to a List.
const (
	MaxEntries = 1000
	MaxListed  = 1 << 20 // bytes of values, unless one alone is larger
)

// List asks for the entries whose keys are not below From, in the order of keys, as many as one answer holds.
type List struct {
	From   Key
	Max    uint64 // entries; 0, or more than MaxEntries: MaxEntries
	Values bool   // with their values
}

func (l List) Append(b []byte) []byte {
	b = appendUint64(append(b, l.From[:]...), l.Max)
	return appendBool(b, l.Values)
}

// ParseList reads a List.
func ParseList(b []byte) (l List, err error) {
	d := decoder{b: b}
	copy(l.From[:], d.take(uint64(len(l.From))))
	l.Max = d.uint64()
	l.Values = d.bool()
	return l, d.err()
}

// Entry is a stored value and what is known of it.
type Entry struct {
	Key     Key
	Stored  time.Time
	Expires time.Time // zero: never
	Size    uint64    // of the value, in bytes
	Model   string    // at most MaxModel bytes
	Value   []byte    // nil where a listing is without values
}

func (e Entry) Append(b []byte) []byte {
	b = append(b, e.Key[:]...)
	b = appendTime(b, e.Stored)
	b = appendTime(b, e.Expires)
	b = appendUint64(b, e.Size)
	b = appendString(b, e.Model)
	b = binary.AppendUvarint(b, uint64(len(e.Value)))
	return append(b, e.Value...)
}

// ParseEntry reads an Entry. Its value shares the memory of b.
func ParseEntry(b []byte) (Entry, error) {
	d := decoder{b: b}
	e := d.entry()
	if len(e.Model) > MaxModel || len(e.Value) > MaxValue {
		return e, ErrMessage
	}
	return e, d.err()
}

func (d *decoder) entry() (e Entry) {
	copy(e.Key[:], d.take(uint64(len(e.Key))))
	e.Stored, e.Expires = d.time(), d.time()
	e.Size = d.uint64()
	e.Model = d.string()
	e.Value = d.take(d.length())
	return e
}

// Entries is part of a listing. Next is where the rest begins, if there is more.
type Entries struct {
	List []Entry
	More bool
	Next Key
}

func (e Entries) Append(b []byte) []byte {
	b = appendBool(b, e.More)
	b = append(b, e.Next[:]...)
	b = binary.AppendUvarint(b, uint64(len(e.List)))
	for _, x := range e.List {
		b = x.Append(b)
	}
	return b
}

// ParseEntries reads an Entries. Its values share the memory of b.
func ParseEntries(b []byte) (e Entries, err error) {
	d := decoder{b: b}
	e.More = d.bool()
	copy(e.Next[:], d.take(uint64(len(e.Next))))
	for n := d.length(); n > 0 && !d.bad; n-- {
		e.List = append(e.List, d.entry())
	}
	return e, d.err()
}

// Storage says where and how values are kept.
type Storage struct {
	Bound       uint64 // bytes on disk, or in memory
	Generations uint64
	Memory      string   // why they are in memory alone; "": they are not
	Broken      []string // databases that were moved aside, and why
}

func (s Storage) Append(b []byte) []byte {
	b = appendUint64(appendUint64(b, s.Bound), s.Generations)
	b = appendString(b, s.Memory)
	b = binary.AppendUvarint(b, uint64(len(s.Broken)))
	for _, x := range s.Broken {
		b = appendString(b, x)
	}
	return b
}

// ParseStorage reads a Storage.
func ParseStorage(b []byte) (s Storage, err error) {
	d := decoder{b: b}
	s.Bound, s.Generations = d.uint64(), d.uint64()
	s.Memory = d.string()
	for n := d.length(); n > 0 && !d.bad; n-- {
		s.Broken = append(s.Broken, d.string())
	}
	return s, d.err()
}

// The times that nanoseconds of the Unix clock can tell, in the years 1677 and 2262.
var (
	firstTime = time.Unix(0, math.MinInt64)
	lastTime  = time.Unix(0, math.MaxInt64)
)

// Nanos gives a time in nanoseconds of the Unix clock. 0 is the zero time; others are taken for the nearest that can be
// told.
func Nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Before(firstTime):
		return math.MinInt64
	case t.After(lastTime):
		return math.MaxInt64
	}
	return cmp.Or(t.UnixNano(), 1)
}

// Time undoes Nanos.
func Time(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func appendTime(b []byte, t time.Time) []byte { return appendUint64(b, uint64(Nanos(t))) }
func (d *decoder) time() time.Time            { return Time(int64(d.uint64())) }

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

func (d *decoder) bool() bool {
	p := d.take(1)
	return p != nil && p[0] != 0
}
