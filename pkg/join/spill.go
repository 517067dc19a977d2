package join

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
)

// A spill is a temporary file for pieces that wait. It holds stretches, each
// of which was written at once and is in the order in which its pieces will be
// wanted; so the next piece, if it is there at all, is at the head of one of
// them, and no index is needed.
type spill struct {
	dir       string
	file      *os.File // its name is gone, so that it goes with the process
	size      int64
	stretches []*stretch
	out       *bufio.Writer
	header    []byte
	value     []byte
}

// A stretch is read from its head on.
type stretch struct {
	in     *bufio.Reader
	doc    int // of the piece at the head
	head   piece
	length int // of its value, which is still to be read
	from   int64
}

// A SpillError says that what waits could not be put off to the temporary file,
// or not be read back.
type SpillError struct{ Err error }

func (e *SpillError) Error() string {
	return fmt.Sprintf("what waits does not fit into memory: temporary file: %v", e.Err)
}
func (e *SpillError) Unwrap() error { return e.Err }

// Buffers of the file. There is one for each stretch that is being read.
const (
	spillWrite = 256 << 10
	spillRead  = 64 << 10
)

// begin begins a stretch.
func (s *spill) begin() error {
	if s.file == nil {
		file, err := os.CreateTemp(s.dir, "gpt-join-") // mode 0600
		if err != nil {
			return &SpillError{err}
		}
		s.file = file
		if err := os.Remove(file.Name()); err != nil {
			return &SpillError{err}
		}
		s.out = bufio.NewWriterSize(nil, spillWrite)
	}
	s.out.Reset(io.NewOffsetWriter(s.file, s.size))
	s.stretches = append(s.stretches, &stretch{from: s.size})
	return nil
}

// put adds a piece to the stretch.
func (s *spill) put(doc int, p piece) error {
	h := binary.AppendUvarint(s.header[:0], uint64(doc))
	for _, n := range []int64{p.seq, p.start, p.end, int64(len(p.value))} {
		h = binary.AppendUvarint(h, uint64(n))
	}
	h = append(h, flag(p.cut)|flag(p.mark)<<1)
	s.header = h
	s.size += int64(len(h) + len(p.value))
	if _, err := s.out.Write(h); err != nil {
		return &SpillError{err}
	}
	if _, err := s.out.Write(p.value); err != nil {
		return &SpillError{err}
	}
	return nil
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// finish ends the stretch.
func (s *spill) finish() error {
	if err := s.out.Flush(); err != nil {
		return &SpillError{err}
	}
	st := s.stretches[len(s.stretches)-1]
	st.in = bufio.NewReaderSize(io.NewSectionReader(s.file, st.from, s.size-st.from), spillRead)
	return s.next(st)
}

// take returns the piece seq of a document, if it is there; its value is valid
// until the next one is taken. Pieces of earlier documents are not wanted any
// more.
func (s *spill) take(doc int, seq int64) (p piece, ok bool, err error) {
	for _, st := range s.stretches {
		for st.doc < doc {
			if _, err := st.in.Discard(st.length); err != nil {
				return p, false, &SpillError{err}
			}
			if err := s.next(st); err != nil {
				return p, false, err
			}
		}
		if st.doc != doc || st.head.seq != seq {
			continue
		}
		p = st.head
		s.value = slices.Grow(s.value[:0], st.length)[:st.length]
		p.value = s.value
		if _, err := io.ReadFull(st.in, p.value); err != nil {
			return p, false, &SpillError{err}
		}
		return p, true, s.next(st)
	}
	return p, false, nil
}

// next reads what stands before the value of the next piece of a stretch. At
// its end the stretch goes, and with the last one what the file holds.
func (s *spill) next(st *stretch) error {
	doc, err := binary.ReadUvarint(st.in)
	if err == io.EOF {
		st.doc = math.MaxInt
		s.stretches = without(s.stretches, st)
		if len(s.stretches) > 0 {
			return nil
		}
		s.size = 0
		if err := s.file.Truncate(0); err != nil {
			return &SpillError{err}
		}
		return nil
	}
	var n [4]uint64
	for i := range n {
		if err == nil {
			n[i], err = binary.ReadUvarint(st.in)
		}
	}
	var flags byte
	if err == nil {
		flags, err = st.in.ReadByte()
	}
	if err != nil {
		return &SpillError{err}
	}
	st.doc, st.length = int(doc), int(n[3])
	st.head = piece{seq: int64(n[0]), start: int64(n[1]), end: int64(n[2]), cut: flags&1 != 0, mark: flags&2 != 0}
	return nil
}

// without returns a new list, for the old one may be read just now.
func without(list []*stretch, st *stretch) []*stretch {
	var rest []*stretch
	for _, other := range list {
		if other != st {
			rest = append(rest, other)
		}
	}
	return rest
}

func (s *spill) close() {
	if s.file != nil {
		s.file.Close()
	}
}
