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
	// ByMarkdown cuts at headings and between the blocks of Markdown, and fills
	// Chunk.Section.
	ByMarkdown
	// ByCode cuts between the blocks of source code, as its layout shows them.
	ByCode
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
	Seq        int      // 0, 1, 2 …
	Start, End int64    // in bytes of the input
	Tokens     int      // of Text counted alone; 0 without Options.Encoding
	Section    []string // the headings it is under, outermost first; not nil ByMarkdown
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
	fresh    int
	overlap  int
	reach    reach
	ladder   ladder // in tokens
	markdown markdown
	err      error // what Next returns from now on
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
		if s.opt.By == ByMarkdown && !s.scanMarkdown(limit) {
			return 0, 0, false
		}
		if s.reach.all {
			if tokens, ok := s.within(limit); ok {
				return limit, tokens, true
			}
			limit = s.before(limit, 1)
		}
		// Counts are not additive: the part may be more tokens than it was in the
		// whole, and rarely a long run is that for many cuts in a row. A run, which
		// has to be counted again each time, is cut shorter by what it is over.
		for step := 1; limit > s.fresh; step *= 2 {
			cut, found, enough := s.choose(limit)
			if !enough {
				return 0, 0, false
			}
			if !found {
				break
			}
			tokens, ok := s.within(cut)
			if ok {
				return cut, tokens, true
			}
			if s.inRun(cut) {
				step = max(step, (tokens-s.opt.Size)*cut/tokens)
			}
			limit = s.before(cut, step)
		}
		if s.fresh == 0 {
			cut, ok = s.alone()
			return cut, s.count(0, cut), ok
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
	if s.opt.By == ByMarkdown {
		c.Section = s.path(s.fresh, cut)
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
	if s.opt.Unit == Tokens {
		s.restart(start)
	}
	s.src.discard(start)
	s.fresh -= start
	s.reach = reach{}
}
