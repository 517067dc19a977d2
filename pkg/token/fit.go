package token

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fit returns how far text goes within n tokens.
//
// If full, text[:length] is the first n tokens of the text, or a little less
// where that would divide a code point; there is text behind it. If not full,
// all of text fits: the whole of it when more is false, and when more is true,
// which means that the text goes on, the part whose tokens are settled whatever
// follows. A caller that then has more text goes on from text[length:] with
// n-tokens.
//
// The answer is the same however the caller divides a text over calls. A piece
// that goes on for very long is taken in parts, so that neither the time nor the
// text needed grows with it. For this reason, and since a part of a piece may be
// more tokens alone than it is in its place, what Fit finds is a proposal, which
// can be a few tokens off what Count says.
//
// The text must be valid UTF-8.
func (e *Encoding) Fit(text string, n int, more bool) (length, tokens int, full bool) {
	c := e.acquire()
	defer e.release(c)
	for length < len(text) {
		begin, size := length, view(n-tokens)
		block := head(text[begin:], size)
		stop := len(block)
		if more || len(block) < len(text)-begin {
			stop = settled(block)
		}
		for i := 0; i < len(block); {
			end := e.next(block, i)
			if end > stop {
				break
			}
			if end-i > shortPiece && length+view(n-tokens) < begin+size {
				break // to be looked at again in a block of its own
			}
			k := c.count(block, i, end)
			if tokens+k > n {
				return length + c.prefix(block[i:end], n-tokens), n, true
			}
			length, tokens = length+end-i, tokens+k
			i = end
		}
		if length > begin {
			continue
		}
		if len(text)-begin < size {
			break // what the next piece is depends on text not seen
		}
		end := e.next(block, 0)
		k := c.count(block, 0, end)
		if tokens+k > n {
			return length + c.prefix(block[:end], n-tokens), n, true
		}
		length, tokens = length+end, tokens+k
	}
	return length, tokens, false
}

// view returns how many bytes Fit looks at to find a piece, when n tokens are
// left: a piece that is not settled in them is cut there. It must not be seen
// in more, or the answer would depend on how much text happens to be there;
// only for a piece of up to shortPiece bytes it makes no difference.
func view(n int) int { return 2*shortPiece + 16*min(n, 1024) }

const shortPiece = 128

// settled returns the offset up to which the pieces of text do not depend on
// what follows it. A run of white space that reaches the end may still become
// one piece with a line break behind it, and a word may take up a contraction
// ('ll) of at most three code points.
func settled(text string) int {
	return len(strings.TrimRightFunc(text, unicode.IsSpace)) - 3*utf8.UTFMax
}

// prefix returns the length in bytes of the first n tokens of piece, rounded
// down to a code point boundary.
func (m *merger) prefix(piece string, n int) int {
	end := 0
	for _, p := range m.divide(piece)[:n] {
		end += int(p.length)
	}
	for end < len(piece) && !utf8.RuneStart(piece[end]) {
		end--
	}
	return end
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
