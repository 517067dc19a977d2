package chunk

import (
	"unicode"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/clipperhouse/uax29/v2/sentences"
	"github.com/clipperhouse/uax29/v2/words"
)

// A rank is how good a boundary within a line is.
type rank int

const (
	sentence rank = iota
	clause
	word
	grapheme
	ranks
)

const (
	// lookahead is how many bytes behind a boundary may have a say in it.
	lookahead = 32
	// lookbehind is the same before it, where text is not looked at from its beginning.
	lookbehind = 64
	// firstView is how far a boundary is looked for at first.
	firstView = 64
)

// lastBoundary returns the last boundary of that rank in text[from:to+1], or 0.
func lastBoundary(text []byte, r rank, from, to int) int {
	for view := firstView; ; view *= 4 {
		around, end := to, to
		if r == sentence { // they are far apart, and to look for them is slow
			around = lastTerminator(text[:to], max(0, from-lookbehind))
			if around < 0 {
				return 0
			}
			view, end = firstView, min(to, around+lookbehind)
		}
		low, last := max(from, around-view), 0
		boundaries(text[:floor(text, end+lookahead)], r, low, func(at int) bool {
			if at <= end {
				last = at
			}
			return at < end
		})
		if last > 0 || low == from {
			return last
		}
		to = low - 1
	}
}

// firstBoundary returns the first boundary of that rank in text[from:to+1], or 0.
func firstBoundary(text []byte, r rank, from, to int) (first int) {
	boundaries(text[:floor(text, to+lookahead)], r, from, func(at int) bool {
		if at <= to {
			first = at
		}
		return false
	})
	return first
}

// boundaries calls yield with the boundaries of that rank in text, from from on,
// until it returns false. All are boundaries of grapheme clusters. The end of the
// text is none. Words and sentences are those of UAX #29; a sentence is seen from
// lookbehind bytes before from, which is all that matters but for runs of closing
// marks or spaces as long.
func boundaries(text []byte, r rank, from int, yield func(at int) bool) {
	start := certain(text, from-lookbehind)
	clusters, cluster := graphemes.FromBytes(text[start:]), start
	isCluster := func(at int) bool {
		switch before, after := text[at-1], text[at]; {
		case before == '\n':
			return true
		case before < utf8.RuneSelf && after < utf8.RuneSelf:
			return before != '\r' || after != '\n'
		}
		for cluster < at && clusters.Next() {
			cluster = start + clusters.End()
		}
		return cluster == at
	}
	var segments interface {
		Next() bool
		End() int
	}
	switch r {
	case sentence:
		if lastTerminator(text, start) < 0 {
			return
		}
		segments = sentences.FromBytes(text[start:])
	case clause:
		for at := max(from, start+1); at < len(text); at++ {
			if c := text[at-1]; c > ' ' && c < utf8.RuneSelf {
				continue
			}
			if endsClause(text[:at], text[at:]) && isCluster(at) && !yield(at) {
				return
			}
		}
		return
	case grapheme:
		segments = graphemes.FromBytes(text[start:])
	default:
		if isASCII(text[start:]) {
			segments = &asciiWords{text: text[start:]}
		} else {
			segments = words.FromBytes(text[start:])
		}
	}
	for segments.Next() {
		at := start + segments.End()
		if at == len(text) {
			return
		}
		if at < from || r == word && !endsWord(text[:at], text[at:]) || r != grapheme && !isCluster(at) {
			continue
		}
		if !yield(at) {
			return
		}
	}
}

// endsWord tells whether the boundary of UAX #29 between before and after is one
// between words for a reader: not between a word and the punctuation behind it.
func endsWord(before, after []byte) bool {
	a, _ := utf8.DecodeLastRune(before)
	b, _ := utf8.DecodeRune(after)
	return unicode.IsSpace(a) || !unicode.IsPunct(b)
}

// endsClause tells whether before ends with a mark of a clause, and, if that is
// not fullwidth, all the white space behind it. What follows is looked at first:
// a long run of spaces would be walked back over from each of them.
func endsClause(before, after []byte) bool {
	n := len(before)
	if c := before[n-1]; after[0] == ' ' || after[0] == '\t' || c != ' ' && c != '\t' && c < utf8.RuneSelf {
		return false
	}
	for n > 0 && (before[n-1] == ' ' || before[n-1] == '\t') {
		n--
	}
	r, _ := utf8.DecodeLastRune(before[:n])
	switch r {
	case '，', '、', '；', '：':
		return true
	case ',', ';', ':', '–', '—', '…':
		return n < len(before)
	}
	return false
}

// certain returns the last grapheme cluster boundary not after i that is one
// whatever stands around it. There is always one at 0, where a chunk begins.
func certain(text []byte, i int) int {
	i = floor(text, i)
	if i == len(text) {
		_, n := utf8.DecodeLastRune(text)
		i -= n
	}
	for i > 0 {
		before, n := utf8.DecodeLastRune(text[:i])
		if after, _ := utf8.DecodeRune(text[i:]); parts(before, after) {
			return i
		}
		i -= n
	}
	return 0
}

// parts tells of many pairs of code points that there is a boundary between them,
// whatever stands before and behind: the second joins with nothing before it, or is
// an emoji, which joins with one before it by U+200D, and the first is none that
// joins with what is behind it (GB6, GB9b).
func parts(before, after rune) bool {
	switch {
	case 0x600 <= before && before <= 0x8ff && !joinless(before), before == 0xd4e, 0x11000 <= before && before <= 0x11fff,
		0x1100 <= before && before <= 0x115f, 0xa960 <= before && before <= 0xa97c: // Hangul that begins a syllable
		return false
	}
	emoji := 0x1f300 <= after && after <= 0x1f3fa || 0x1f400 <= after && after <= 0x1faff
	return joinless(after) || emoji && before != 0x200d
}

// joinless tells of most letters that UAX #29 knows no rule for grapheme clusters
// with them, but that marks may follow.
func joinless(r rune) bool {
	switch {
	case ' ' <= r && r <= '~',
		0x4e00 <= r && r <= 0x9fff,                         // ideographs
		0xc0 <= r && r <= 0x2ff,                            // Latin
		0x370 <= r && r <= 0x482, 0x48a <= r && r <= 0x58f, // Greek, Cyrillic, Armenian
		0x5d0 <= r && r <= 0x5ea, 0x620 <= r && r <= 0x64a, // Hebrew, Arabic
		0xe01 <= r && r <= 0xe30,                               // Thai
		0x2018 <= r && r <= 0x2026,                             // quotation marks
		0x3001 <= r && r <= 0x3002, 0x3008 <= r && r <= 0x3011, // 、。「」
		0x3041 <= r && r <= 0x3096, 0x30a1 <= r && r <= 0x30fa, // kana
		0xac00 <= r && r <= 0xd7a3, // Hangul: joins with what is not composed behind it
		0xff01 <= r && r <= 0xff5e: // fullwidth ASCII
		return true
	}
	return false
}

// floor returns the last code point boundary of text that is not after i, and at
// least 0.
func floor(text []byte, i int) int {
	if i >= len(text) {
		return len(text)
	}
	for i > 0 && !utf8.RuneStart(text[i]) {
		i--
	}
	return max(i, 0)
}
