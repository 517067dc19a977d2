package chunk

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// A rank is how good a boundary is.
type rank int

const (
	grapheme rank = iota
	word
	clause
	sentence
	ranks
)

// lookahead is how many bytes behind a boundary may have a say in it.
const lookahead = 32

// full returns the least end of a chunk for which a boundary is taken while
// there is one of lower rank nearer to limit: four fifths, which keeps the mean
// at nine tenths or more, whatever the distance of the boundaries.
func full(limit int) int { return limit - limit/5 }

// choose returns the end of a chunk that may reach up to limit. It is not found
// if there is none after s.fresh, or none but at the cost of the boundaries that
// were asked for; the overlap must give way then. There is not enough if that
// depends on text which is not there yet.
func (s *Splitter) choose(limit int) (cut int, found, enough bool) {
	text := s.src.text
	switch s.opt.By {
	case ByNone:
		return limit, true, true
	case ByLine:
		if cut := s.fresh + bytes.LastIndexByte(text[s.fresh:limit], '\n') + 1; cut > s.fresh {
			return cut, true, true
		}
		if s.fresh > 0 && text[s.fresh-1] == '\n' {
			return 0, false, true
		}
	default:
		if cut := lastLine(text, max(s.fresh+1, full(limit)), limit); cut > 0 {
			return cut, true, true
		}
	}

	end, enough := s.around(limit)
	if !enough {
		return 0, false, false
	}
	last := lastBoundaries(text[:end], max(s.fresh+1, full(limit)), limit)
	for r := sentence; r >= word; r-- {
		if last[r] > 0 {
			return last[r], true, true
		}
	}
	// Rather half a chunk than half a word, and less overlap than a short one.
	half := lastBoundaries(text[:end], max(s.fresh+1, limit/2), limit)
	for r := sentence; r >= word; r-- {
		if half[r] > 0 {
			return half[r], true, true
		}
	}
	if s.fresh > limit/2 {
		return 0, false, true
	}
	cut = lastBoundaries(text[:end], s.fresh+1, limit)[grapheme]
	return cut, cut > 0, true
}

// alone returns the end of a chunk that is part of a single grapheme cluster,
// because the cluster is over the budget.
func (s *Splitter) alone() (cut int, enough bool) {
	text := s.src.text
	end, enough := s.around(s.reach.end)
	if !enough {
		return 0, false
	}
	cluster, rest, _, _ := uniseg.FirstGraphemeCluster(text[:end], -1)
	if s.opt.Unit == Tokens && len(rest) > 0 && len(cluster) > s.reach.end {
		// The tokens of a longer text need not be those of the cluster alone.
		if _, ok := s.within(len(cluster)); ok {
			return len(cluster), true
		}
	}
	for cut, step := s.reach.end, 1; cut > 0; cut, step = s.before(cut, step), 2*step {
		if _, ok := s.within(cut); ok {
			return cut, true
		}
	}
	_, n := utf8.DecodeRune(text)
	return n, true
}

// around returns the end of the text that has a say in the boundaries up to i.
func (s *Splitter) around(i int) (end int, enough bool) {
	i += lookahead
	return floor(s.src.text, i), i <= len(s.src.text) || s.src.err == io.EOF
}

// lastLine returns the last end of a paragraph in text[from:to+1], else the
// last end of a line, else 0. A paragraph ends with a blank line.
func lastLine(text []byte, from, to int) int {
	line := 0
	for i := to; i >= from; {
		i = bytes.LastIndexByte(text[:i], '\n') + 1
		if i < from {
			break
		}
		if endsParagraph(text[:i]) {
			return i
		}
		line = max(line, i)
		i--
	}
	return line
}

// endsParagraph tells whether the last line of text, which ends with a newline,
// is blank.
func endsParagraph(text []byte) bool {
	text = bytes.TrimRight(text[:len(text)-1], " \t\r")
	return len(text) == 0 || text[len(text)-1] == '\n'
}

// lastBoundaries returns the last boundary of each rank in text[from:to+1], or 0.
func lastBoundaries(text []byte, from, to int) (last [ranks]int) {
	boundaries(text, from, func(at int, r rank) bool {
		if at > to {
			return false
		}
		for ; r >= grapheme; r-- {
			last[r] = at
		}
		return true
	})
	return last
}

// clauseMarks end a clause, if white space follows or they are fullwidth.
const clauseMarks = ",;:–—…" + fullwidthMarks
const fullwidthMarks = "，、；："

// boundaries calls yield with the grapheme cluster boundaries of text that are
// not before from, in order, and the highest rank of each, until it returns
// false. Words and sentences are those of UAX #29; where text begins in the
// middle of one, the first of them may be missed.
func boundaries(text []byte, from int, yield func(at int, r rank) bool) {
	at := certain(text, from-1)
	rest, state, inClause := text[at:], -1, false
	for len(rest) > 0 {
		var cluster []byte
		var flags int
		cluster, rest, flags, state = uniseg.Step(rest, state)
		at += len(cluster)

		r := grapheme
		if flags&uniseg.MaskWord != 0 {
			r = word
		}
		c, n := utf8.DecodeRune(cluster)
		switch {
		case n < len(cluster):
			inClause = false
		case strings.ContainsRune(fullwidthMarks, c):
			r = clause
		case strings.ContainsRune(clauseMarks, c):
			inClause = true
		case inClause && (c == ' ' || c == '\t'):
			r = clause
		default:
			inClause = false
		}
		if flags&uniseg.MaskSentence != 0 {
			r = sentence
		}
		if at >= from && len(rest) > 0 && !yield(at, r) {
			return
		}
	}
}

// certain returns the last grapheme cluster boundary not after i that is one
// whatever stands around it: between two code points that join with nothing.
// There is always one at 0, where a chunk begins.
func certain(text []byte, i int) int {
	i = floor(text, i)
	for i > 0 {
		before, n := utf8.DecodeLastRune(text[:i])
		if after, _ := utf8.DecodeRune(text[i:]); joinless(before) && joinless(after) {
			return i
		}
		i -= n
	}
	return 0
}

// joinless tells of some frequent code points that UAX #29 knows no rule for,
// so that there is a boundary between any two of them.
func joinless(r rune) bool {
	return ' ' <= r && r <= '~' || // ASCII
		0x4E00 <= r && r <= 0x9FFF || // ideographs
		0x3041 <= r && r <= 0x3096 || 0x30A1 <= r && r <= 0x30FA || // kana
		0x3001 <= r && r <= 0x3002 || r == 0xFF0C // 、。，
}
