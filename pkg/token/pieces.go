package token

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
	"github.com/tiktoken-go/tokenizer"
)

// blockSize is how much text is given to the regular expression at once, in
// bytes: it makes a copy four times as large.
const blockSize = 16 << 10

func (e *Encoding) load() {
	e.split = regexp2.MustCompile(e.pattern, regexp2.None)
	codec, err := tokenizer.Get(tokenizer.Encoding(e.name))
	check(err)
	e.codec = codec
}

// pieces calls yield with the pieces of text in order until it returns false.
// If text is open, that is if it goes on where the block ends, the pieces that
// might come out differently with the rest in sight are left out.
//
// A piece counted alone divides as it does in its text: no alternative of the
// patterns looks back, and the only one that looks ahead, \s+(?!\S), is followed
// by \s+, which takes the same text. So a caller may go on at the end of any
// piece.
func (e *Encoding) pieces(text string, open bool, yield func(string) bool) {
	e.once.Do(e.load)
	stop := len(text)
	if open {
		stop = settled(text)
	}
	match, err := e.split.FindStringMatch(text)
	for begin := 0; match != nil; match, err = e.split.FindNextMatch(match) {
		end := begin
		for range match.Length { // the pattern counts code points; it leaves none out
			_, n := utf8.DecodeRuneInString(text[end:])
			end += n
		}
		if end > stop || !yield(text[begin:end]) {
			return
		}
		begin = end
	}
	check(err)
}

// settled returns the offset up to which the pieces of text do not depend on
// what follows it. A run of white space that reaches the end may still become
// one piece with a line break behind it, and a word may take up a contraction
// ('ll) of at most three code points.
func settled(text string) int {
	return len(strings.TrimRightFunc(text, unicode.IsSpace)) - 3*utf8.UTFMax
}

// head returns the first n bytes of text, or a few less so as not to divide a
// code point, or all of it if it is shorter.
func head(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
