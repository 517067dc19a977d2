package chunk

import (
	"bytes"
	"io"
	"unicode/utf8"
)

// maxLine is how much of a line of Markdown is looked at, in bytes, and how far
// behind the budget a chunk's end depends on the text.
const maxLine = 1024

// A quality says how good it is to begin a chunk with a line of Markdown.
type quality int8

const (
	inside     quality = 0  // blank, or it belongs to the line before
	glued      quality = 1  // the text of the heading before it
	atomLine   quality = 10 // of fenced code, a table, a quotation, HTML
	atomBlank  quality = 12 // the same, behind a blank line
	listLine   quality = 20 // goes on with a paragraph in a list
	listTop    quality = 50 // an item of a list; less for one within another
	line       quality = 60 // goes on with a paragraph
	block      quality = 80
	headings   quality = 90 // and more, for the one of level 1
	topHeading quality = 96
)

// deepest is the depth from which on lists within lists are all alike.
const deepest = 14

// A markdownLine is where a line begins and what it is.
type markdownLine struct {
	at      int64 // in what the source gave from its very beginning
	quality quality
	atom    bool // of what is to stay whole
	level   int  // of a heading
	title   string
}

// scanMarkdown looks at the lines that have a say in a chunk that reaches up to
// limit: the one it is in and the one behind, of each no more than maxLine. It
// reports whether they are there.
func (s *Splitter) scanMarkdown(limit int) bool {
	text, m := s.src.text, &s.markdown
	end := floor(text, limit+maxLine)
	first := bytes.IndexByte(text[limit:end], '\n') + 1
	second := bytes.IndexByte(text[limit+first:end], '\n') + 1
	switch {
	case first > 0 && second > 0:
		end = limit + first + second
	case limit+maxLine > len(text) && s.src.err != io.EOF:
		return false
	}
	m.scan(text[:end], s.src.gone, end == len(text) && s.src.err == io.EOF)
	return true
}

// scan goes on with the lines of text, which begins at offset gone.
func (m *markdown) scan(text []byte, gone int64, last bool) {
	m.text, m.gone = text, gone
	for m.next < gone+int64(len(text)) {
		rest := text[m.next-gone:]
		end := bytes.IndexByte(rest, '\n') + 1
		switch {
		case m.long && end == 0:
			m.next += int64(len(rest))
			return
		case m.long:
			m.next += int64(end)
			m.long = false
			continue
		case end > 0 && end <= maxLine-utf8.UTFMax:
			m.line(m.next, rest[:end])
			m.next += int64(end)
		case len(rest) > maxLine-utf8.UTFMax:
			n := floor(rest, maxLine-utf8.UTFMax+1)
			m.line(m.next, rest[:n])
			m.next += int64(n)
			m.long = true
		case last:
			m.line(m.next, rest)
			m.next += int64(len(rest))
		default:
			return
		}
	}
}

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
	alone := before == 0 && (s.fresh == 0 || first.at != from || first.quality < line)
	switch {
	case !within.atom && within.quality > glued && within.level == 0:
		return s.chooseWithin(limit)
	case !within.atom:
		// A heading must have some of its text with it.
		if within.level == 0 {
			cut, enough := s.chooseWord(limit, max(s.fresh, int(within.at-gone))+1)
			if cut > 0 || !enough {
				return cut, cut > 0, enough
			}
		}
		if alone {
			return s.chooseWithin(limit)
		}
		return int(max(0, before-gone)), before > 0, true
	case ended && next.quality >= line:
		return int(m.nearest(from, to, inside) - gone), true, true
	case !alone:
		// It is whole in the next chunk, or in this one without an overlap.
		return int(max(0, before-gone)), before > 0, true
	}
	behind := m.best(from, to, glued, glued) // a heading, or 0
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

// path returns the headings over the text that begins at offset at, and forgets
// those of the lines before. A heading that the text begins with is one.
func (s *Splitter) path(fresh, end int) []string {
	m := &s.markdown
	section := m.path
	for _, l := range m.lines {
		at := int(l.at - s.src.gone)
		if at >= end {
			break
		}
		if l.level == 0 {
			continue
		}
		m.path = m.path.add(l.level, l.title)
		if len(bytes.TrimSpace(bytes.TrimPrefix(s.src.text[fresh:at], byteOrderMark))) == 0 {
			section = m.path
		}
	}
	m.forget(s.src.gone + int64(end))
	titles := make([]string, 0, len(section))
	for _, h := range section {
		titles = append(titles, h.title)
	}
	return titles
}

// A headingPath is the headings that a text is under, outermost first.
type headingPath []heading

type heading struct {
	level int
	title string
}

// add returns the path below a further heading, in memory of its own.
func (p headingPath) add(level int, title string) headingPath {
	n := len(p)
	for n > 0 && p[n-1].level >= level {
		n--
	}
	return append(p[:n:n], heading{level, title})
}
