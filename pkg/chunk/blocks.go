package chunk

import "bytes"

// markdown finds the blocks of a Markdown text line by line, in constant memory:
// CommonMark 0.31 (https://spec.commonmark.org/0.31.2/), with the tables of GFM
// and front matter in YAML or TOML. It does what is needed to know where blocks
// begin, not more: links are not resolved, a quotation is not looked into, and a
// tag that is alone on its line makes no HTML block.
type markdown struct {
	lines []markdownLine // that the chunk may end before, or later ones
	path  headingPath    // above the first of them
	next  int64          // offset of what has not been looked at
	long  bool           // and that is in a line that was long
	text  []byte         // what is being looked at
	gone  int64          // the offset of text

	started   bool
	front     byte   // of the marker that ends the front matter, or 0
	frontLeft int    // lines that it may still have
	fence     fence  // that is open
	html      string // what ends the HTML block that is open; "\n" for a blank line
	items     []int  // columns that the contents of the open list items begin in

	blank     bool // the line before was blank
	heading   bool // … a heading, or blank after one
	code      bool // … indented code
	quote     bool // … of a quotation
	table     bool // … of a table
	paragraph int  // how many lines the open paragraph has, 0 without one
	cells     int  // of the line before, if it may be the head of a table
}

// A fence begins fenced code.
type fence struct {
	mark byte
	size int // 0 for none
	in   int // how many list items it is in
}

// maxFront is how many lines front matter has at most, so that a rule at the
// beginning of a text does not swallow it.
const maxFront = 200

var byteOrderMark = []byte("\ufeff")

func (m *markdown) forget(before int64) {
	n := 0
	for n < len(m.lines) && m.lines[n].at < before {
		n++
	}
	m.lines = m.lines[:copy(m.lines, m.lines[n:])]
}

// line takes the line of text at offset at. It may change what is known of the
// lines before it.
func (m *markdown) line(at int64, text []byte) {
	l := markdownLine{at: at}
	for n := len(text); n > 0 && (text[n-1] == '\n' || text[n-1] == '\r'); n-- {
		text = text[:n-1]
	}
	if !m.started {
		text = bytes.TrimPrefix(text, byteOrderMark)
	}
	_, rest := indent(text)
	isBlank := len(rest) == 0
	wasHeading := m.heading
	switch {
	case m.frontMatter(&l, text):
	case m.inFence(&l, text, isBlank):
	case m.inHTML(&l, text, isBlank):
	case isBlank:
		code := m.code // goes on behind it, if it does
		m.endBlocks()
		m.code = code
		m.heading = wasHeading
	default:
		m.heading = false
		m.blockLine(&l, text)
	}
	if wasHeading && !isBlank && l.quality > glued {
		l.quality = glued
	}
	m.blank = isBlank
	m.lines = append(m.lines, l)
}

// endBlocks ends all blocks but lists.
func (m *markdown) endBlocks() {
	m.html, m.code, m.quote, m.table, m.paragraph, m.cells = "", false, false, false, 0, 0
}

func (m *markdown) frontMatter(l *markdownLine, text []byte) bool {
	if m.started && m.front == 0 {
		return false
	}
	text = bytes.TrimRight(text, " \t")
	if !m.started {
		m.started = true
		if string(text) != "---" && string(text) != "+++" {
			return false
		}
		m.front, m.frontLeft = text[0], maxFront
		l.quality, l.atom = block, true
		return true
	}
	l.quality, l.atom = atomLine, true
	m.frontLeft--
	closes := len(text) == 3 && (text[0] == m.front || m.front == '-' && text[0] == '.') && text[1] == text[0] && text[2] == text[0]
	if closes || m.frontLeft == 0 {
		m.front = 0
	}
	return true
}

func (m *markdown) inFence(l *markdownLine, text []byte, isBlank bool) bool {
	if m.fence.size == 0 {
		return false
	}
	column, rest := indent(text)
	outer := 0
	if m.fence.in > 0 {
		outer = m.items[m.fence.in-1]
	}
	if !isBlank && column < outer {
		m.fence = fence{}
		return false
	}
	l.atom, l.quality = true, atomLine
	if m.blank {
		l.quality = atomBlank
	}
	if isBlank {
		l.quality = inside
	}
	n := repeated(rest, m.fence.mark)
	if column < outer+4 && n >= m.fence.size && len(bytes.TrimLeft(rest[n:], " \t")) == 0 {
		m.fence = fence{}
		l.quality = inside
	}
	return true
}

func (m *markdown) inHTML(l *markdownLine, text []byte, isBlank bool) bool {
	if m.html == "" || m.html == "\n" && isBlank {
		return false
	}
	l.atom, l.quality = true, atomLine
	if m.html != "\n" && bytes.Contains(bytes.ToLower(text), []byte(m.html)) {
		m.html = ""
	}
	return true
}

// blockLine takes a line that is not blank and not within code or HTML.
func (m *markdown) blockLine(l *markdownLine, text []byte) {
	column, rest := indent(text)
	depth := 0
	for depth < len(m.items) && m.items[depth] <= column {
		depth++
	}
	outer := func() int {
		if depth == 0 {
			return 0
		}
		return m.items[depth-1]
	}
	sibling := depth < len(m.items) // or what comes behind the list
	marker, first := listMarker(rest)
	isItem := marker > 0 && column-outer() < 4 && !isRule(rest) && (m.paragraph == 0 || sibling || first)
	if sibling && m.paragraph > 0 && !isItem && !m.starts(rest, column-outer()) {
		m.paragraph++ // a lazy line goes on with the paragraph of the item
		l.quality, l.atom = listLine, true
		m.cells = 0
		return
	}
	if sibling {
		m.endBlocks()
		m.items = m.items[:depth]
		if isItem {
			l.quality, l.atom = itemAt(depth), true
		}
	}
	if !isItem {
		m.leaf(l, rest, column-outer(), depth)
		return
	}
	if !sibling {
		m.endBlocks()
		l.quality, l.atom = blockAt(depth), true
	}
	// The item's text may begin with an item, and so on.
	for isItem {
		content, inner := indent(rest[marker:])
		if len(inner) == 0 || content > 4 {
			content = 1
		}
		column += marker + content
		rest = inner
		m.items = append(m.items, column)
		marker, _ = listMarker(rest)
		isItem = marker > 0 && !isRule(rest)
	}
	if len(rest) > 0 {
		inner := markdownLine{}
		m.leaf(&inner, rest, 0, len(m.items))
	}
}

// blockAt is the quality of a block within depth list items.
func blockAt(depth int) quality {
	if depth == 0 {
		return block
	}
	return itemAt(depth-1) - 1
}

// itemAt is the quality of a further item of a list within depth list items.
func itemAt(depth int) quality {
	return listTop - 2*quality(min(depth, deepest))
}
