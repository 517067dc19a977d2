package token

import (
	_ "embed"
	"unicode/utf8"
)

// A class is a set of kinds of code points, as the patterns of the encodings
// tell them apart. The generator writes the same bits.
type class uint8

const (
	upper   class = 1 << iota // \p{Lu}, \p{Lt}
	lower                     // \p{Ll}
	uncased                   // \p{Lm}, \p{Lo}
	mark                      // \p{M}
	number                    // \p{N}
	space                     // \s but for line breaks
	newline                   // \r, \n
	other

	letter = upper | lower | uncased
)

// classes has one kind of each code point of Unicode 16.0.0, which is what the
// reference knows; package unicode has another version. It begins with the
// number of the block for each 128 code points; then come the blocks.
//
//go:embed tables/classes
var classes string

const (
	blockBits = 7
	blocks    = (utf8.MaxRune + 1) >> blockBits // where the blocks begin
)

// ascii is the part of classes that is needed most. It is 0 for bytes of a
// longer sequence.
var ascii = func() (a [256]class) {
	for b := range utf8.RuneSelf {
		a[b] = classOf(rune(b))
	}
	return a
}()

func classOf(r rune) class {
	block := int(classes[r>>blockBits])
	return class(classes[blocks+block<<blockBits+int(r&(1<<blockBits-1))])
}

// classAt returns the kind of the code point at text[i:] and its length. It is
// 0 at the end of text, which has to be valid.
func classAt(text string, i int) (class, int) {
	if c := asciiAt(text, i); c != 0 {
		return c, 1
	}
	if i >= len(text) {
		return 0, 0
	}
	if b := text[i]; b>>4 == 0xe && i+2 < len(text) { // most of what is not ASCII, and of Chinese
		return classOf(rune(b&0xf)<<12 | rune(text[i+1]&0x3f)<<6 | rune(text[i+2]&0x3f)), 3
	}
	r, n := utf8.DecodeRuneInString(text[i:])
	return classOf(r), n
}

// asciiAt is classAt for ASCII, and else 0. It is small enough to be inlined:
// a caller for which speed matters asks it first.
func asciiAt(text string, i int) class {
	if i < len(text) {
		return ascii[text[i]]
	}
	return 0
}
