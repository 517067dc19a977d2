package proto

import (
	"encoding/binary"
	"math"
	"time"
)

// A decoder takes a body apart from the front. After the first thing that is not there it answers zeros, and bad
// stays set. Bytes left at the end are no error: a newer peer may have more to say.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.b, d.bad = nil, true
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) uint64() uint64 {
	if p := d.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

func (d *decoder) float() float64          { return math.Float64frombits(d.uint64()) }
func (d *decoder) duration() time.Duration { return time.Duration(d.uint64()) }

func (d *decoder) length() uint64 {
	n, w := binary.Uvarint(d.b)
	if w <= 0 {
		d.b, d.bad = nil, true
		return 0
	}
	d.b = d.b[w:]
	return n
}

func (d *decoder) string() string { return string(d.take(d.length())) }

func (d *decoder) counts() map[string]float64 {
	m := make(map[string]float64)
	for n := d.length(); n > 0 && !d.bad; n-- {
		name := d.string()
		m[name] = d.float()
	}
	return m
}

func (d *decoder) err() error {
	if d.bad {
		return ErrMessage
	}
	return nil
}

func appendUint64(b []byte, n uint64) []byte { return binary.LittleEndian.AppendUint64(b, n) }

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendCounts(b []byte, m map[string]float64) []byte {
	b = binary.AppendUvarint(b, uint64(len(m)))
	for name, v := range m {
		b = appendString(b, name)
		b = appendUint64(b, math.Float64bits(v))
	}
	return b
}
