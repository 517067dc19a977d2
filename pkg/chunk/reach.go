package chunk

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// A reach is how far the budget goes from the beginning of a chunk. It grows
// with the text that is there, so that no byte is measured twice.
type reach struct {
	end   int  // in bytes
	used  int  // units up to there
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
		r.known = s.measureTokens()
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

// measureTokens reports whether the budget is spent within the text.
func (s *Splitter) measureTokens() bool {
	r := &s.reach
	text := s.src.text
	// A token is 3 to 5 bytes long in most texts.
	for window := 8*min(s.opt.Size, readSize) + 64; ; {
		end := floor(text, r.end+window)
		more := end < len(text) || s.src.err != io.EOF
		n, tokens, full := s.opt.Encoding.Fit(string(text[r.end:end]), s.opt.Size-r.used, more)
		r.end, r.used = r.end+n, r.used+tokens
		if full || end == len(text) {
			return full
		}
		if n == 0 {
			window *= 2
		}
	}
}

// within counts the chunk that ends at cut alone.
func (s *Splitter) within(cut int) (tokens int, ok bool) {
	tokens = s.count(cut)
	return tokens, s.opt.Unit != Tokens || tokens <= s.opt.Size
}

func (s *Splitter) count(cut int) int {
	if s.opt.Encoding == nil {
		return 0
	}
	return s.opt.Encoding.Count(string(s.src.text[:cut]))
}

// before returns a code point boundary that is at least n bytes before i.
func (s *Splitter) before(i, n int) int { return floor(s.src.text, max(0, i-n)) }

// floor returns the last code point boundary of text that is not after i.
func floor(text []byte, i int) int {
	if i >= len(text) {
		return len(text)
	}
	for i > 0 && !utf8.RuneStart(text[i]) {
		i--
	}
	return i
}
