package token

import (
	"strings"
	"unicode/utf8"
)

// Invalid returns the length in bytes of the ill-formed sequence that text
// begins with, or 0 if it begins with a code point or is empty. A sequence is
// as long as the start of a code point can be, and else a single byte: the
// practice of the Unicode standard (section 3.9, U+FFFD Substitution of Maximal
// Subparts), which the WHATWG decoders, Python and Rust follow too. Each such
// sequence counts as one U+FFFD.
func Invalid[T string | []byte](text T) int {
	if r, n := utf8.DecodeRuneInString(string(text[:min(len(text), utf8.UTFMax)])); r != utf8.RuneError || n != 1 {
		return 0
	}
	n := 1
	for n < len(text) && n < utf8.UTFMax-1 && !utf8.FullRuneInString(string(text[:n+1])) {
		n++
	}
	return n
}

// ToValid returns text with each ill-formed sequence replaced by U+FFFD.
func ToValid(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for text != "" {
		if n := Invalid(text); n > 0 {
			b.WriteRune(utf8.RuneError)
			text = text[n:]
			continue
		}
		_, n := utf8.DecodeRuneInString(text)
		b.WriteString(text[:n])
		text = text[n:]
	}
	return b.String()
}
