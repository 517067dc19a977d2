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
// limit: the one it is in and the next that is not blank, no more than maxLine. It
// reports whether they are there.
func (s *Splitter) scanMarkdown(limit int) bool {
	text, m := s.src.text, &s.markdown
	end := floor(text, limit+maxLine)
	first := limit + bytes.IndexByte(text[limit:end], '\n') + 1
	behind := end - len(bytes.TrimLeft(text[first:end], " \t\r\n"))
	second := behind + bytes.IndexByte(text[behind:end], '\n') + 1
	switch {
	case first > limit && second > behind:
		end = second
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
