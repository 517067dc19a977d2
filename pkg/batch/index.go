package batch

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// A sum names a request.
type sum [16]byte

// kind is how a request stands.
type kind uint8

const (
	unknown  kind = iota // it is in no part
	pending              // there is nothing about it yet
	answered             // it has its answer or its error
	failed               // it failed, for reasons that pass
	missing              // its part was collected and says nothing of it; not stored
	held                 // it is to be asked again, and this run does not
)

// A place is where a request stands: its part, and the line of the results.
type place struct {
	kind   kind
	part   int
	offset int64
	length int
	wanted bool // this run has it among its requests
	told   bool // an earlier run has told of its answer
}

// lacks reports whether a request has neither an answer nor a hope of one.
func (p place) lacks() bool { return p.kind == failed || p.kind == missing }

// index says where each request stands. It is a hash table with linear probing
// in a file without a name, so that ten million requests need no memory; it is
// made anew by each run from the files of the parts.
type index struct {
	dir   string
	file  *os.File
	slots int64
	used  int64
}

// A slot holds the sum, the offset, the length, and the part with the kind,
// whose top bits say that it is wanted and told of; a free slot is zero.
const (
	slotSize  = 32
	firstSize = 1 << 10
	probe     = 8 // slots read at once
	wantedBit = 0x80
	toldBit   = 0x40
)

func newIndex(dir string) (*index, error) {
	x := &index{dir: dir}
	return x, x.make(firstSize)
}

func (x *index) make(slots int64) error {
	f, err := os.CreateTemp(x.dir, "index-*")
	if err != nil {
		return err
	}
	if err := errors.Join(os.Remove(f.Name()), f.Truncate(slots*slotSize)); err != nil {
		f.Close()
		return err
	}
	x.file, x.slots, x.used = f, slots, 0
	return nil
}

func (x *index) close() error { return x.file.Close() }

// find returns the slot of s, or the free one where it belongs.
func (x *index) find(s sum) (slot [slotSize]byte, at int64, err error) {
	var buf [probe * slotSize]byte
	// Sums are spread evenly as they are.
	for i := int64(binary.LittleEndian.Uint64(s[:]) % uint64(x.slots)); ; {
		n, err := x.file.ReadAt(buf[:], i*slotSize)
		if err != nil && !errors.Is(err, io.EOF) {
			return slot, 0, err
		}
		for b := 0; b+slotSize <= n; b += slotSize {
			slot = [slotSize]byte(buf[b:])
			if slot[31] == byte(unknown) || sum(slot[:16]) == s {
				return slot, i*slotSize + int64(b), nil
			}
		}
		if i += int64(n / slotSize); i >= x.slots {
			i = 0
		}
	}
}

func (x *index) get(s sum) (place, error) {
	slot, _, err := x.find(s)
	if err != nil {
		return place{}, err
	}
	last := binary.LittleEndian.Uint32(slot[28:])
	return place{
		kind:   kind(last >> 24 &^ (wantedBit | toldBit)),
		wanted: last>>24&wantedBit != 0,
		told:   last>>24&toldBit != 0,
		part:   int(last & (1<<24 - 1)),
		offset: int64(binary.LittleEndian.Uint64(slot[16:])),
		length: int(binary.LittleEndian.Uint32(slot[24:])),
	}, nil
}

func (x *index) put(s sum, p place) error {
	slot, at, err := x.find(s)
	if err != nil {
		return err
	}
	if slot[31] == byte(unknown) {
		if 10*(x.used+1) > 7*x.slots {
			if err := x.grow(); err != nil {
				return err
			}
			return x.put(s, p)
		}
		x.used++
	}
	copy(slot[:], s[:])
	binary.LittleEndian.PutUint64(slot[16:], uint64(p.offset))
	binary.LittleEndian.PutUint32(slot[24:], uint32(p.length))
	last := uint32(p.kind)<<24 | uint32(p.part)
	if p.wanted {
		last |= wantedBit << 24
	}
	if p.told {
		last |= toldBit << 24
	}
	binary.LittleEndian.PutUint32(slot[28:], last)
	_, err = x.file.WriteAt(slot[:], at)
	return err
}

// grow moves everything to a table of twice the size.
func (x *index) grow() error {
	old := *x
	if err := x.make(2 * old.slots); err != nil {
		return err
	}
	defer old.file.Close()
	buf := make([]byte, 1<<10*slotSize)
	for at := int64(0); at < old.slots*slotSize; at += int64(len(buf)) {
		if _, err := old.file.ReadAt(buf, at); err != nil {
			return err
		}
		for b := buf; len(b) > 0; b = b[slotSize:] {
			if b[31] == byte(unknown) {
				continue
			}
			_, to, err := x.find(sum(b[:16]))
			if err != nil {
				return err
			}
			if _, err := x.file.WriteAt(b[:slotSize], to); err != nil {
				return err
			}
			x.used++
		}
	}
	return nil
}
