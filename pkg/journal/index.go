package journal

import (
	"encoding/binary"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// An index says where in a journal the answer of a key stands. It is a hash
// table with linear probing, at most half full, in a file that has no name: a
// job of ten million records is not to need memory for them, and the kernel
// keeps of the file what there is room for.
//
// A slot holds eight bytes of the key, which is spread evenly as it is. Of two
// lines with the same eight the later one is found; who looks there compares
// the whole key.
type index struct {
	file *os.File
	mask uint64
}

// A slot: the first eight bytes of the key; where the line begins, plus one, so
// that zero is a free slot; its length.
const slotSize = 24

// newIndex makes an index for so many entries, on the disk of dir. One that is to
// leave no trace there, not even for a moment, may be in memory.
func newIndex(dir string, entries int, traceless bool) (*index, error) {
	f, err := unnamed(dir, traceless)
	if err != nil {
		return nil, err
	}
	slots := uint64(16)
	for slots < 2*uint64(entries) {
		slots *= 2
	}
	if err := f.Truncate(int64(slots * slotSize)); err != nil {
		f.Close()
		return nil, err
	}
	return &index{f, slots - 1}, nil
}

func unnamed(dir string, traceless bool) (*os.File, error) {
	if !traceless {
		f, err := os.CreateTemp(dir, ".gpt-map-index-*")
		if err != nil {
			return nil, err
		}
		if err := os.Remove(f.Name()); err != nil {
			f.Close()
			return nil, err
		}
		return f, nil
	}
	if f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600); err == nil {
		return f, nil
	}
	fd, err := unix.MemfdCreate("gpt-map-index", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), "gpt-map-index"), nil
}

// find returns the slot of a key, or the free one where it belongs.
func (x *index) find(key Key) (slot [slotSize]byte, at int64, err error) {
	head := binary.LittleEndian.Uint64(key[:])
	for i := head & x.mask; ; i = (i + 1) & x.mask {
		at = int64(i * slotSize)
		if _, err := x.file.ReadAt(slot[:], at); err != nil && !errors.Is(err, io.EOF) {
			return slot, at, err
		}
		if binary.LittleEndian.Uint64(slot[8:]) == 0 || binary.LittleEndian.Uint64(slot[:]) == head {
			return slot, at, nil
		}
	}
}

// put notes where the line of a key is, and reports whether there was none yet.
func (x *index) put(key Key, begin, length int64) (fresh bool, err error) {
	slot, at, err := x.find(key)
	if err != nil {
		return false, err
	}
	fresh = binary.LittleEndian.Uint64(slot[8:]) == 0
	copy(slot[:8], key[:])
	binary.LittleEndian.PutUint64(slot[8:], uint64(begin)+1)
	binary.LittleEndian.PutUint64(slot[16:], uint64(length))
	_, err = x.file.WriteAt(slot[:], at)
	return fresh, err
}

func (x *index) get(key Key) (begin, length int64, ok bool, err error) {
	slot, _, err := x.find(key)
	begin = int64(binary.LittleEndian.Uint64(slot[8:])) - 1
	return begin, int64(binary.LittleEndian.Uint64(slot[16:])), err == nil && begin >= 0, err
}

func (x *index) close() error { return x.file.Close() }
