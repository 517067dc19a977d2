package record

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns a valid JSON value as text: a string decoded, any other value
// as the JSON it is. Halves of surrogate pairs become U+FFFD.
func Text(value []byte) string {
	if !isString(value) {
		return string(value)
	}
	if inner := value[1 : len(value)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner)
	}
	return string(AppendText(make([]byte, 0, len(value)), value))
}

// AppendText appends a valid JSON value as text, as Text returns it.
func AppendText(dst, value []byte) []byte {
	if !isString(value) {
		return append(dst, value...)
	}
	value = value[1 : len(value)-1]
	for {
		at := bytes.IndexByte(value, '\\')
		if at < 0 {
			return append(dst, value...)
		}
		dst = append(dst, value[:at]...)
		var n int
		dst, n = appendUnescaped(dst, value[at:])
		value = value[at+n:]
	}
}

func isString(value []byte) bool { return len(value) >= 2 && value[0] == '"' }

// appendUnescaped decodes the escape that esc begins with and returns how
// many bytes it takes.
func appendUnescaped(out, esc []byte) ([]byte, int) {
	switch c := esc[1]; c {
	case 'b':
		return append(out, '\b'), 2
	case 'f':
		return append(out, '\f'), 2
	case 'n':
		return append(out, '\n'), 2
	case 'r':
		return append(out, '\r'), 2
	case 't':
		return append(out, '\t'), 2
	case 'u':
		r := hex4(esc[2:])
		if utf16.IsSurrogate(r) {
			if len(esc) >= 12 && esc[6] == '\\' && esc[7] == 'u' {
				if pair := utf16.DecodeRune(r, hex4(esc[8:])); pair != utf8.RuneError {
					return utf8.AppendRune(out, pair), 12
				}
			}
			r = utf8.RuneError
		}
		return utf8.AppendRune(out, r), 6
	default:
		return append(out, c), 2
	}
}

func hex4(b []byte) rune {
	n, err := strconv.ParseUint(string(b[:4]), 16, 32)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

func hasEscape(quoted []byte) bool { return bytes.IndexByte(quoted, '\\') >= 0 }

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string with no escape that RFC 8259 does
// not ask for. Invalid UTF-8 becomes U+FFFD, a byte at a time.
func AppendString(dst []byte, s string) []byte {
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	return append(AppendEscaped(append(dst, '"'), s), '"')
}

// AppendEscaped appends what AppendString puts between the quotes, so that a
// string can be written in parts. s must be valid UTF-8.
func AppendEscaped[T []byte | string](dst []byte, s T) []byte {
	for {
		n := plain(s)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			return dst
		}
		switch c := s[n]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
		s = s[n+1:]
	}
}

// AppendInt appends n as a JSON number.
func AppendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
