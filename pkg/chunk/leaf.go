package chunk

import (
	"bytes"
	"regexp"
)

// starts tells whether text begins a block that ends a paragraph.
func (m *markdown) starts(text []byte, column int) bool {
	return column < 4 && (atxLevel(text) > 0 || fenceOf(text).size > 0 || isRule(text) || text[0] == '>' || htmlEnd(text) != "")
}

// leaf takes a line, or the rest of one, as a block of its own or a further line
// of one; it is indented by column more than the depth list items it is in.
func (m *markdown) leaf(l *markdownLine, text []byte, column, depth int) {
	l.atom = depth > 0
	begins := blockAt(depth)
	goesOn := line
	if depth > 0 {
		goesOn = listLine
	}
	switch level := atxLevel(text); {
	case column >= 4 && m.paragraph == 0:
		l.atom, l.quality = true, begins
		switch {
		case m.code && m.blank:
			l.quality = atomBlank
		case m.code:
			l.quality = atomLine
		}
		m.endBlocks()
		m.code = true
	case column >= 4:
		m.paragraph++
		l.quality = goesOn
	case level > 0:
		m.endBlocks()
		l.quality = begins
		m.setHeading(l, level, atxTitle(text), depth)
	case m.underlines(text, depth):
		l.quality = inside
	case fenceOf(text).size > 0:
		m.endBlocks()
		l.atom, l.quality = true, begins
		m.fence = fenceOf(text)
		m.fence.in = depth
	case isRule(text):
		m.endBlocks()
		l.quality = begins
	case text[0] == '>' || m.quote:
		l.atom, l.quality = true, begins
		if m.quote {
			l.quality = atomLine
		}
		m.endBlocks()
		m.quote = true
	case m.paragraph > 0 && m.delimits(text):
		// The line before is the head of the table.
		if n := len(m.lines); n > 0 {
			head := &m.lines[n-1]
			head.atom = true
			if head.quality > glued {
				head.quality = begins
			}
		}
		m.endBlocks()
		l.atom, l.quality = true, inside
		m.table = true
	case m.table:
		l.atom, l.quality = true, atomLine
	case htmlEnd(text) != "":
		m.endBlocks()
		l.atom, l.quality = true, begins
		m.html = htmlEnd(text)
		if m.html != "\n" && bytes.Contains(bytes.ToLower(text[2:]), []byte(m.html)) {
			m.html = ""
		}
	default:
		l.quality = begins
		if m.paragraph > 0 {
			l.quality = goesOn
		}
		m.code = false
		m.paragraph++
		m.cells = cells(text)
	}
}

// setHeading makes l a heading. One in a list is a block like others.
func (m *markdown) setHeading(l *markdownLine, level int, title string, depth int) {
	if depth > 0 {
		return
	}
	l.level, l.title = level, title
	l.quality = topHeading + 1 - quality(level)
	m.heading = true
}

// underlines makes the open paragraph a heading, if text is its underline.
func (m *markdown) underlines(text []byte, depth int) bool {
	n := repeated(text, text[0])
	if m.paragraph == 0 || m.paragraph > len(m.lines) || text[0] != '=' && text[0] != '-' || len(bytes.TrimRight(text[n:], " \t")) > 0 {
		return false
	}
	lines := m.lines[len(m.lines)-m.paragraph:]
	title := bytes.Fields(bytes.TrimPrefix(m.text[lines[0].at-m.gone:m.next-m.gone], byteOrderMark))
	for i := range lines[1:] {
		lines[i+1].quality = inside
	}
	level := 1
	if text[0] == '-' {
		level = 2
	}
	m.endBlocks()
	wasGlued := lines[0].quality <= glued
	m.setHeading(&lines[0], level, string(bytes.Join(title, []byte(" "))), depth)
	if wasGlued {
		lines[0].quality = glued
	}
	return true
}

// delimits tells whether text is the line below the head of a table.
func (m *markdown) delimits(text []byte) bool {
	return m.cells > 0 && bytes.ContainsAny(text, "|:-") && delimiterRow.Match(text) && cells(text) == m.cells
}

var delimiterRow = regexp.MustCompile(`^\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$`)
