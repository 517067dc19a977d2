package chunk

import (
	"io"
	"unicode/utf8"

	"gptpipe/pkg/token"
)

// A text is read in parts of firstRead bytes, and if it is longer, of more and more,
// up to readSize: many are short, and each has memory of its own.
const (
	firstRead = 4 << 10
	readSize  = 64 << 10
)

// A source is the part of the input that is in memory, as valid UTF-8.
type source struct {
	in      io.Reader
	replace bool

	text  []byte // what is there, from the beginning of the current chunk
	err   error  // why there will be no more; io.EOF at the end
	begin int64  // offset in the input of text[0]
	gone  int64  // bytes discarded before text[0]
	marks []mark // replacements in text, in order

	room []byte // the memory that text is at the end of
	raw  []byte // read, and not looked at yet: less than a code point
}

// A mark is a place where U+FFFD stands in text for size bytes of the input; at
// counts what has been discarded too.
type mark struct {
	at   int64
	size int
}

const replacement = "\ufffd"

// fill reads once and appends to text, or sets err.
func (s *source) fill() {
	if s.raw == nil {
		s.raw = make([]byte, 0, firstRead)
	}
	n, err := s.in.Read(s.raw[len(s.raw):cap(s.raw)])
	data := s.raw[:len(s.raw)+n]
	s.err = err
	s.reserve(len(data))
	rest := s.absorb(data)
	if len(data) == cap(s.raw) && len(data) < readSize {
		s.raw = make([]byte, 0, 4*len(data))
	}
	s.raw = s.raw[:copy(s.raw[:cap(s.raw)], rest)]
}

// absorb appends data to text up to the code point that it leaves open, which
// it returns.
func (s *source) absorb(data []byte) []byte {
	for len(data) > 0 {
		n := validPrefix(data)
		s.text = append(s.text, data[:n]...)
		data = data[n:]
		if len(data) == 0 || s.err != io.EOF && !utf8.FullRune(data) {
			break
		}
		if !s.replace {
			s.err = &InvalidUTF8Error{Offset: s.offset(len(s.text))}
			return nil
		}
		bad := token.Invalid(data)
		s.marks = append(s.marks, mark{at: s.gone + int64(len(s.text)), size: bad})
		s.text = append(s.text, replacement...)
		data = data[bad:]
	}
	return data
}

func validPrefix(data []byte) int {
	if utf8.Valid(data) {
		return len(data)
	}
	n := 0
	for {
		r, size := utf8.DecodeRune(data[n:])
		if r == utf8.RuneError && size <= 1 {
			return n
		}
		n += size
	}
}

// reserve makes room for n more bytes. Text moves along in the memory it has,
// and back to the beginning when that is used up.
func (s *source) reserve(n int) {
	if cap(s.text)-len(s.text) >= n {
		return
	}
	if need := 2 * (len(s.text) + n); need > len(s.room) {
		s.room = make([]byte, need)
	}
	s.text = s.room[:copy(s.room, s.text)]
}

// offset returns the offset in the input of text[i:].
func (s *source) offset(i int) int64 {
	offset := s.begin + int64(i)
	for _, m := range s.before(i) {
		offset += int64(m.size - len(replacement))
	}
	return offset
}

// discard takes the first n bytes away from text.
func (s *source) discard(n int) {
	s.begin = s.offset(n)
	s.marks = s.marks[len(s.before(n)):]
	s.gone += int64(n)
	s.text = s.text[n:]
}

// afterReplacement returns where in text[:end] the last replacement ends, or 0.
func (s *source) afterReplacement(end int) int {
	marks := s.before(end)
	if len(marks) == 0 {
		return 0
	}
	return int(marks[len(marks)-1].at-s.gone) + len(replacement)
}

// before returns the marks in text[:i].
func (s *source) before(i int) []mark {
	n := 0
	for n < len(s.marks) && s.marks[n].at < s.gone+int64(i) {
		n++
	}
	return s.marks[:n]
}
