package chunk

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// A reach is how far the budget goes from the beginning of a chunk. It grows
// with the text that is there, so that no byte is measured twice; tokens are
// counted by the ladder.
type reach struct {
	end   int  // in bytes
	used  int  // code points or lines up to there
	known bool // the budget is spent at end, or:
	all   bool // everything up to the end of the input is within it
}

// measure brings s.reach up to date. It returns false if how far the budget
// goes depends on text that is not there yet.
func (s *Splitter) measure() bool {
	r := &s.reach
	if r.known {
		return true
	}
	text := s.src.text
	switch s.opt.Unit {
	case Tokens:
		r.known = s.climb()
	case Chars:
		for r.used < s.opt.Size && r.end < len(text) {
			_, n := utf8.DecodeRune(text[r.end:])
			r.end, r.used = r.end+n, r.used+1
		}
		r.known = r.end < len(text)
	case Bytes:
		r.end = floor(text, s.opt.Size)
		r.known = r.end < len(text)
	case Lines:
		for r.used < s.opt.Size && r.end < len(text) {
			n := bytes.IndexByte(text[r.end:], '\n') + 1
			if n == 0 {
				n = len(text) - r.end
			} else {
				r.used++
			}
			r.end += n
		}
		if r.end > MaxLines {
			r.end = floor(text, MaxLines)
		}
		r.known = r.end < len(text)
	}
	if !r.known && s.src.err == io.EOF {
		r.known, r.all, r.end = true, true, len(text)
	}
	return r.known
}

// within counts the chunk that ends at cut alone.
func (s *Splitter) within(cut int) (tokens int, ok bool) {
	tokens = s.count(0, cut)
	return tokens, s.opt.Unit != Tokens || tokens <= s.opt.Size
}

// before returns a code point boundary that is at least n bytes before i.
func (s *Splitter) before(i, n int) int { return floor(s.src.text, max(0, i-n)) }
