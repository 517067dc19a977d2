package record

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"unicode/utf8"
)

// maxDepth bounds nesting, as in encoding/json, so that a line of a hundred
// million brackets cannot exhaust the stack.
const maxDepth = 10000

// A scanner checks JSON by RFC 8259 in one pass over the bytes.
type scanner struct {
	data    []byte
	pos     int
	escapes int // seen so far
}

// scanObject checks that data is one object in valid UTF-8, appends to fields
// where its top-level fields stand, and reports whether a name has an escape.
func scanObject(data []byte, fields []field) ([]field, bool, error) {
	if !utf8.Valid(data) {
		return nil, false, invalidUTF8(data)
	}
	s := scanner{data: data}
	o := &object{fields: fields}
	if err := s.object(1, o); err != nil {
		return nil, false, err
	}
	return o.fields, o.escaped, s.end()
}

// An object receives the fields of one.
type object struct {
	fields  []field
	escaped bool // a name has an escape
}

// Check says what keeps data from being one JSON value in valid UTF-8, if
// anything does.
func Check(data []byte) error {
	if !utf8.Valid(data) {
		return invalidUTF8(data)
	}
	s := scanner{data: data}
	if err := s.value(0); err != nil {
		return err
	}
	return s.end()
}

func invalidUTF8(data []byte) error {
	at := 0
	for at < len(data) {
		r, n := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && n == 1 {
			break
		}
		at += n
	}
	return fmt.Errorf("invalid UTF-8 at byte %d", at)
}

var errCut = errors.New("the JSON ends too early")

func (s *scanner) bad(what string) error {
	if s.pos >= len(s.data) {
		return errCut
	}
	r, _ := utf8.DecodeRune(s.data[s.pos:])
	return fmt.Errorf("not JSON: %q at byte %d %s", r, s.pos, what)
}

func (s *scanner) end() error {
	if s.space(); s.pos < len(s.data) {
		return s.bad("after the value")
	}
	return nil
}

func (s *scanner) space() {
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
}

func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '"':
		return s.string()
	case c == '{':
		return s.object(depth+1, nil)
	case c == '[':
		return s.array(depth + 1)
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	}
	return s.bad("where a value should begin")
}

// object scans an object that begins at pos; o, if not nil, receives its fields.
func (s *scanner) object(depth int, o *object) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	s.pos++
	if s.space(); s.peek() == '}' {
		s.pos++
		return nil
	}
	for {
		f := field{name: s.pos}
		if s.peek() != '"' {
			return s.bad("where a field name should begin")
		}
		escapes := s.escapes
		if err := s.string(); err != nil {
			return err
		}
		f.nameEnd = s.pos
		escaped := s.escapes > escapes
		if s.space(); s.peek() != ':' {
			return s.bad("after a field name")
		}
		s.pos++
		s.space()
		f.start = s.pos
		if err := s.value(depth); err != nil {
			return err
		}
		f.end = s.pos
		if o != nil {
			o.fields = append(o.fields, f)
			o.escaped = o.escaped || escaped
		}
		s.space()
		switch s.peek() {
		case '}':
			s.pos++
			return nil
		case ',':
			s.pos++
			s.space()
		default:
			return s.bad("after a field")
		}
	}
}

func (s *scanner) array(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	s.pos++
	if s.space(); s.peek() == ']' {
		s.pos++
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		s.space()
		switch s.peek() {
		case ']':
			s.pos++
			return nil
		case ',':
			s.pos++
			s.space()
		default:
			return s.bad("after an array element")
		}
	}
}

func (s *scanner) string() error {
	s.pos++
	for {
		s.pos += plain(s.data[s.pos:])
		if s.pos >= len(s.data) {
			return errCut
		}
		switch c := s.data[s.pos]; c {
		case '"':
			s.pos++
			return nil
		case '\\':
			if err := s.escape(); err != nil {
				return err
			}
		default:
			return s.bad("in a string")
		}
	}
}

func (s *scanner) escape() error {
	s.escapes++
	s.pos++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.pos++
		return nil
	case 'u':
		s.pos++
		for range 4 {
			if !isHex(s.peek()) {
				return s.bad("in a \\u escape")
			}
			s.pos++
		}
		return nil
	}
	return s.bad("in an escape")
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.pos++
	}
	if s.peek() == '0' {
		s.pos++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.pos++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		return s.digits()
	}
	return nil
}

func (s *scanner) digits() error {
	from := s.pos
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.pos++
	}
	if s.pos == from {
		return s.bad("in a number")
	}
	return nil
}

func (s *scanner) word(w string) error {
	if !bytes.HasPrefix(s.data[s.pos:], []byte(w)) {
		return s.bad("where a value should begin")
	}
	s.pos += len(w)
	return nil
}

// plain returns how many bytes at the start of data need no look inside a
// JSON string: none is a quote, a backslash or a control character. It goes
// eight bytes at a time, by the test for a zero byte of "Bit Twiddling Hacks"
// (https://graphics.stanford.edu/~seander/bithacks.html#ZeroInWord).
func plain[T []byte | string](data T) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(data); i += 8 {
		w := uint64(data[i]) | uint64(data[i+1])<<8 | uint64(data[i+2])<<16 | uint64(data[i+3])<<24 |
			uint64(data[i+4])<<32 | uint64(data[i+5])<<40 | uint64(data[i+6])<<48 | uint64(data[i+7])<<56
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		// The lowest bit found is exact; higher ones may be borrowed.
		hit := ((w - ones*0x20) &^ w) | ((quote - ones) &^ quote) | ((slash - ones) &^ slash)
		if hit &= tops; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for ; i < len(data); i++ {
		if c := data[i]; c < 0x20 || c == '"' || c == '\\' {
			break
		}
	}
	return i
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}
