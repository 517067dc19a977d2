package chunk

import (
	"bytes"
	"io"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
)

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
	case ByCode:
		if s.src.err != io.EOF && !showsIndentation(text[bytes.LastIndexByte(text[:limit], '\n')+1:]) {
			return 0, false, false
		}
		if cut := codeLine(text, s.fresh+1, limit); cut > 0 {
			return cut, true, true
		}
	case ByMarkdown:
		return s.chooseMarkdown(limit)
	default:
		if cut := lastLine(text, max(s.fresh+1, full(limit)), limit); cut > 0 {
			return cut, true, true
		}
	}
	return s.chooseWithin(limit)
}

// chooseWithin chooses an end within a line.
func (s *Splitter) chooseWithin(limit int) (cut int, found, enough bool) {
	cut, enough = s.chooseWord(limit, s.fresh+1)
	switch {
	case cut > 0 || !enough:
		return cut, cut > 0, enough
	case s.fresh > limit/2:
		return 0, false, true
	}
	end, _ := s.around(limit)
	cut = lastBoundary(s.src.text[:end], grapheme, s.fresh+1, limit)
	return cut, cut > 0, true
}

// chooseWord chooses an end of a sentence, clause or word, not before least: rather
// half a chunk than half a word, and less overlap than a short chunk.
func (s *Splitter) chooseWord(limit, least int) (cut int, enough bool) {
	end, enough := s.around(limit)
	if !enough {
		return 0, false
	}
	for _, from := range []int{full(limit), limit / 2} {
		for r := sentence; r <= word; r++ {
			if cut := lastBoundary(s.src.text[:end], r, max(least, from), limit); cut > 0 {
				return cut, true
			}
		}
	}
	return 0, true
}

// alone returns the end of a chunk that is part of a single grapheme cluster,
// because the cluster is over the budget.
func (s *Splitter) alone() (cut int, enough bool) {
	text := s.src.text
	end, enough := s.around(s.reach.end)
	if !enough {
		return 0, false
	}
	clusters := graphemes.FromBytes(text[:end])
	clusters.Next()
	cluster := clusters.End()
	if s.opt.Unit == Tokens && cluster < end && cluster > s.reach.end {
		// The tokens of a longer text need not be those of the cluster alone.
		if _, ok := s.within(cluster); ok {
			return cluster, true
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
