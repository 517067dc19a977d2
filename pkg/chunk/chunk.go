// Package chunk divides a stream of text into chunks that keep within a
// budget, cut at natural boundaries.
//
//	s, err := chunk.New(file, chunk.Options{Unit: chunk.Tokens, Size: 2000, Encoding: enc})
//	…
//	for {
//		c, err := s.Next()
//		if err == io.EOF {
//			break
//		}
//		…
//	}
//
// What holds for every chunk:
//
//   - Its text is input[Start:End], byte for byte; without overlap, the texts
//     put together are the input. Line ends, NUL and a byte order mark stay.
//   - It is within the budget when it is counted alone. The one exception is a
//     budget smaller than a code point, which gives that code point alone.
//   - It is cut within a grapheme cluster (Unicode UAX #29) only if the cluster
//     alone is over the budget, and then between code points; [ByNone] cuts
//     between any two code points.
//   - It depends on the input alone, not on how the input arrives, and it is
//     returned as soon as it is known.
//
// Memory is bounded by the budget, not by the input.
//
// # Overlap
//
// With Options.Overlap a chunk begins with the end of the one before it, for
// context. That part is spent from the budget, begins on a boundary, and is
// left out where there would be no room for new text.
//
// # Invalid UTF-8
//
// It is an [InvalidUTF8Error], after the chunks that are complete before it. With
// Options.ReplaceInvalid each ill-formed sequence, as [token.Invalid] finds it,
// becomes U+FFFD in Text, while Start and End remain offsets of the input. An
// overlap does not reach back over a replacement, so that its length is the same
// in the text and in the input, and it can be cut off again by the offsets.
package chunk

import (
	"errors"
	"fmt"
	"io"

	"gptpipe/pkg/token"
)

// A Unit is what a budget counts.
type Unit int

// The units. A line ends with a newline, or at the end of the input.
const (
	Tokens Unit = iota
	Chars       // code points
	Bytes
	Lines
)

// By says where chunks are cut.
type By int

const (
	// ByText cuts at the highest of these that leaves the chunk reasonably
	// full: paragraph, line, sentence, clause, word, grapheme cluster.
	ByText By = iota
	// ByLine cuts at ends of lines; a line over the budget is cut as by text.
	ByLine
	// ByNone makes chunks as full as the unit allows.
	ByNone
)

// Options say how to divide.
type Options struct {
	Unit           Unit
	Size           int // the budget in units, at least 1
	Overlap        int // in units, less than Size
	By             By
	Encoding       *token.Encoding // needed for Tokens and for Chunk.Tokens
	ReplaceInvalid bool
}

// MaxLines is the most bytes that a chunk counted in lines holds, so that
// memory is bounded when a line never ends: about a million tokens, more than
// any model takes.
const MaxLines = 4 << 20

// A Chunk is a part of the input.
type Chunk struct {
	Seq        int   // 0, 1, 2 …
	Start, End int64 // in bytes of the input
	Tokens     int   // of Text counted alone; 0 without Options.Encoding
	Text       string
	Last       bool // no chunk follows
}

// An InvalidUTF8Error says that the input is not UTF-8 from byte Offset on.
type InvalidUTF8Error struct{ Offset int64 }

func (e *InvalidUTF8Error) Error() string {
	return fmt.Sprintf("invalid UTF-8 at byte %d", e.Offset)
}

// Check returns an error for options that make no sense.
func (o Options) Check() error {
	switch {
	case o.Size < 1:
		return fmt.Errorf("a budget of %d, less than 1", o.Size)
	case o.Overlap < 0:
		return fmt.Errorf("an overlap of %d, less than 0", o.Overlap)
	case o.Overlap >= o.Size:
		return fmt.Errorf("an overlap of %d leaves no room in a budget of %d", o.Overlap, o.Size)
	case o.Unit == Tokens && o.Encoding == nil:
		return errors.New("a budget in tokens without an encoding")
	}
	return nil
}

// A Splitter reads a text and returns its chunks.
type Splitter struct {
	opt Options
	src source
	seq int

	// The chunk being made begins at src.text[0]; src.text[:fresh] is overlap,
	// for which overlap units are allowed.
	fresh   int
	overlap int
	reach   reach
	err     error // what Next returns from now on
}

// New returns a Splitter for in. The error is that of opt.Check.
func New(in io.Reader, opt Options) (*Splitter, error) {
	if err := opt.Check(); err != nil {
		return nil, err
	}
	return &Splitter{opt: opt, src: source{in: in, replace: opt.ReplaceInvalid}}, nil
}

// Next returns the next chunk. The error is io.EOF after the last one, an
// *InvalidUTF8Error, or that of the reader. An empty input has no chunk.
func (s *Splitter) Next() (Chunk, error) {
	for s.err == nil {
		if cut, tokens, ok := s.cut(); ok {
			return s.take(cut, tokens), nil
		}
		if s.src.err == nil {
			s.src.fill()
			continue
		}
		s.err = s.src.err
	}
	return Chunk{}, s.err
}

// cut decides where the chunk ends. It is not ok if that depends on text that
// is not there yet, or if there is no text.
func (s *Splitter) cut() (cut, tokens int, ok bool) {
	for len(s.src.text) > 0 {
		if !s.measure() {
			return 0, 0, false
		}
		limit := s.reach.end
		if s.reach.all {
			if tokens, ok := s.within(limit); ok {
				return limit, tokens, true
			}
			limit = s.before(limit, 1)
		}
		// Counts are not additive: the part may be more tokens than it was in the
		// whole, and rarely a long run is that for many cuts in a row.
		for step := 1; limit > s.fresh; step *= 2 {
			cut, found, enough := s.choose(limit)
			if !enough {
				return 0, 0, false
			}
			if !found {
				break
			}
			if tokens, ok := s.within(cut); ok {
				return cut, tokens, true
			}
			limit = s.before(cut, step)
		}
		if s.fresh == 0 {
			cut, ok = s.alone()
			return cut, s.count(cut), ok
		}
		s.overlap /= 2
		s.begin(s.overlapStart(s.fresh))
	}
	return 0, 0, false
}

// take returns the chunk that ends at cut and makes ready for the next.
func (s *Splitter) take(cut, tokens int) Chunk {
	c := Chunk{
		Seq:    s.seq,
		Start:  s.src.offset(0),
		End:    s.src.offset(cut),
		Tokens: tokens,
		Text:   string(s.src.text[:cut]),
		Last:   cut == len(s.src.text),
	}
	s.seq++
	s.fresh = cut
	s.overlap = s.opt.Overlap
	if c.Last {
		s.begin(cut)
	} else {
		s.begin(s.overlapStart(cut))
	}
	return c
}

// begin makes the chunk begin at start, which is not after fresh.
func (s *Splitter) begin(start int) {
	s.src.discard(start)
	s.fresh -= start
	s.reach = reach{}
}
