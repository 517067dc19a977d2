package chunk

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// best returns where the last of the lines of the highest quality from least to
// most begins that are behind offset after and not behind to, or 0.
func (m *markdown) best(after, to int64, least, most quality) (found int64) {
	for _, l := range m.lines {
		if l.at > after && l.at <= to && l.quality >= least && l.quality <= most {
			least, found = l.quality, l.at
		}
	}
	return found
}

// nearest returns where the last line of at least that quality begins that is
// behind offset after and not behind to, or 0.
func (m *markdown) nearest(after, to int64, least quality) (found int64) {
	for _, l := range m.lines {
		if l.at > after && l.at <= to && l.quality >= least {
			found = l.at
		}
	}
	return found
}

// chooseMarkdown is choose for Markdown.
func (s *Splitter) chooseMarkdown(limit int) (cut int, found, enough bool) {
	m, gone := &s.markdown, s.src.gone
	from, to := gone+int64(s.fresh), gone+int64(limit)
	half, fifth := max(from, gone+int64(limit/2)-1), max(from, gone+int64(full(limit))-1)
	if at := m.best(half, to, headings, topHeading); at > 0 {
		return int(at - gone), true, true
	}
	if at := m.best(fifth, to, line, topHeading); at > 0 {
		return int(at - gone), true, true
	}
	var first, next markdownLine
	within := markdownLine{quality: line} // of which the beginning is gone
	ended := false                        // by a blank line behind within
	for _, l := range m.lines {
		if l.at <= from {
			first = l
		}
		switch blank := l.quality == inside && !l.atom; {
		case l.at > to && !blank && next.at == 0:
			next = l
		case l.at <= to && !blank:
			within, ended = l, false
		case l.at <= to && l.at > from:
			ended = true
		}
	}
	before := m.nearest(from, to, line)
	alone := before == 0 && (s.fresh == 0 || first.at != from || first.quality == inside)
	switch {
	case !within.atom && within.quality > glued && within.level == 0:
		return s.chooseWithin(limit)
	case !within.atom:
		// A heading must have some of its text with it.
		if within.level == 0 {
			least := max(s.fresh, int(within.at-gone)) + 1
			cut, enough := s.chooseWord(limit, least)
			if cut == 0 && enough && alone {
				cut, enough = s.chooseInWord(limit, least)
			}
			if cut > 0 || !enough {
				return cut, cut > 0, enough
			}
		}
		if alone {
			return s.chooseWithin(limit)
		}
		return int(max(0, before-gone)), before > 0, true
	case ended && (next.at == 0 || next.quality >= line):
		return int(m.nearest(from, to, inside) - gone), true, true
	case !alone:
		// It is whole in the next chunk, or in this one without an overlap.
		return int(max(0, before-gone)), before > 0, true
	}
	behind := m.best(from, to, glued, glued) // a heading, or 0
	if behind > 0 {
		if whole, enough := s.fitsAlone(int(behind - gone)); whole || !enough {
			return int(behind - gone), true, enough
		}
	}
	for _, at := range []int64{m.best(from, to, listLine, listTop), m.best(fifth, to, atomLine, atomBlank), m.nearest(max(from, behind), to, inside)} {
		if at > 0 {
			return int(at - gone), true, true
		}
	}
	if behind > 0 {
		cut, enough := s.chooseWord(limit, int(behind-gone)+1)
		if cut > 0 || !enough {
			return cut, cut > 0, enough
		}
	}
	return s.chooseWithin(limit)
}

// chooseInWord chooses an end within the word that begins at least-1, up to limit, or
// 0 if that word would be within the budget in the next chunk.
func (s *Splitter) chooseInWord(limit, least int) (cut int, enough bool) {
	far := limit + least
	end, enough := s.around(far)
	if !enough {
		return 0, false
	}
	text := s.src.text[:end]
	if at := firstBoundary(text, word, least, far); at > 0 && s.fits(least-1, at) {
		return 0, true
	}
	return lastBoundary(text, grapheme, least, limit), true
}

// fitsAlone tells whether the block of Markdown that begins at text[begin:], and
// goes on behind what the budget reaches, would be within the budget if a chunk
// began with it.
func (s *Splitter) fitsAlone(begin int) (fits, enough bool) {
	text, m, gone := s.src.text, &s.markdown, s.src.gone
	for limit, step := s.reach.end, maxLine; ; limit, step = limit+step, 2*step {
		if s.src.err == io.EOF {
			limit = min(limit, len(text))
		}
		if limit > len(text) || !s.scanMarkdown(limit) {
			return false, false
		}
		end, over := begin, limit == len(text)
		for i, l := range m.lines {
			at, next := int(l.at-gone), int(m.next-gone)
			if i+1 < len(m.lines) {
				next = int(m.lines[i+1].at - gone)
			}
			if at > begin && l.quality >= line || at > end+maxLine {
				over = true
				break
			}
			if at >= begin && len(bytes.TrimSpace(text[at:next])) > 0 {
				end = next
			}
		}
		if over || !s.fits(begin, end) {
			return s.fits(begin, end), true
		}
	}
}

// fits tells whether text[from:to] is within the budget.
func (s *Splitter) fits(from, to int) bool {
	switch text := s.src.text[from:to]; s.opt.Unit {
	case Tokens:
		return s.count(from, to) <= s.opt.Size
	case Chars:
		return utf8.RuneCount(text) <= s.opt.Size
	case Bytes:
		return len(text) <= s.opt.Size
	default:
		return bytes.Count(bytes.TrimSuffix(text, []byte("\n")), []byte("\n")) < s.opt.Size
	}
}
