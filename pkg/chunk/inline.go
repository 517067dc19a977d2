package chunk

import "bytes"

// indent returns the column that text begins in, with tab stops of 4, and what
// begins there.
func indent(text []byte) (column int, rest []byte) {
	for i, c := range text {
		switch c {
		case ' ':
			column++
		case '\t':
			column += 4 - column%4
		default:
			return column, text[i:]
		}
	}
	return column, nil
}

// repeated returns how many marks text begins with.
func repeated(text []byte, mark byte) int { return len(text) - len(bytes.TrimLeft(text, string(mark))) }

func isSpaceOrEnd(text []byte, i int) bool {
	return i >= len(text) || text[i] == ' ' || text[i] == '\t'
}

// atxLevel returns the level of the heading that text is, or 0.
func atxLevel(text []byte) int {
	if text[0] != '#' {
		return 0
	}
	if n := repeated(text, '#'); n <= 6 && isSpaceOrEnd(text, n) {
		return n
	}
	return 0
}

// atxTitle returns the title of a heading without the marks around it.
func atxTitle(text []byte) string {
	text = bytes.Trim(text[repeated(text, '#'):], " \t")
	if title := bytes.TrimRight(text, "#"); len(title) == 0 || isSpaceOrEnd(title, len(title)-1) {
		text = bytes.TrimRight(title, " \t")
	}
	return string(text)
}

// fenceOf returns the fence that text is, or one of size 0.
func fenceOf(text []byte) fence {
	if text[0] != '`' && text[0] != '~' {
		return fence{}
	}
	n := repeated(text, text[0])
	if n < 3 || text[0] == '`' && bytes.IndexByte(text[n:], '`') >= 0 {
		return fence{}
	}
	return fence{mark: text[0], size: n}
}

// isRule tells whether text is a thematic break.
func isRule(text []byte) bool {
	mark := text[0]
	if mark != '*' && mark != '-' && mark != '_' {
		return false
	}
	n := 0
	for _, c := range text {
		switch c {
		case mark:
			n++
		case ' ', '\t':
		default:
			return false
		}
	}
	return n >= 3
}

// listMarker returns how long the marker of a list item is that text begins with,
// or 0, and whether it may end a paragraph: it has a text, and the number is 1.
func listMarker(text []byte) (size int, first bool) {
	if len(text) == 0 {
		return 0, false
	}
	first = true
	switch c := text[0]; {
	case c == '-' || c == '+' || c == '*':
		size = 1
	case '0' <= c && c <= '9':
		for size < len(text) && size < 10 && '0' <= text[size] && text[size] <= '9' {
			size++
		}
		if size == 10 || size == len(text) || text[size] != '.' && text[size] != ')' {
			return 0, false
		}
		first = string(text[:size]) == "1"
		size++
	}
	if size == 0 || !isSpaceOrEnd(text, size) {
		return 0, false
	}
	return size, first && len(bytes.TrimLeft(text[size:], " \t")) > 0
}

// cells returns how many cells text has as a row of a table, or 0 if it has no
// bar.
func cells(text []byte) int {
	if bytes.IndexByte(text, '|') < 0 {
		return 0
	}
	text = bytes.Trim(text, " \t")
	bars := 0
	for i, c := range text {
		if c == '|' && (i == 0 || text[i-1] != '\\') {
			bars++
		}
	}
	if bars == 0 {
		return 0
	}
	if text[0] == '|' {
		bars--
	}
	if n := len(text); n > 1 && text[n-1] == '|' && text[n-2] != '\\' {
		bars--
	}
	return bars + 1
}

// htmlEnd returns what ends the HTML block that text begins, "\n" for a blank
// line, or "" if it begins none.
func htmlEnd(text []byte) string {
	if text[0] != '<' || len(text) < 2 {
		return ""
	}
	text = bytes.ToLower(text[1:min(len(text), longestTag)])
	for _, begin := range []struct{ mark, end string }{{"!--", "-->"}, {"?", "?>"}, {"![cdata[", "]]>"}} {
		if bytes.HasPrefix(text, []byte(begin.mark)) {
			return begin.end
		}
	}
	if text[0] == '!' && len(text) > 1 && 'a' <= text[1] && text[1] <= 'z' {
		return ">"
	}
	name := bytes.TrimPrefix(text, []byte("/"))
	n := 0
	for n < len(name) && ('a' <= name[n] && name[n] <= 'z' || '0' <= name[n] && name[n] <= '9') {
		n++
	}
	if rest := bytes.TrimPrefix(name[n:], []byte("/")); !isSpaceOrEnd(name, n) && rest[0] != '>' {
		return ""
	}
	switch tag := string(name[:n]); {
	case tag == "pre" || tag == "script" || tag == "style" || tag == "textarea":
		if text[0] != '/' {
			return "</" + tag + ">"
		}
	case htmlBlocks[tag]:
		return "\n"
	}
	return ""
}

// longestTag is enough for what an HTML block begins with, in bytes.
const longestTag = 16

// htmlBlocks is the names of condition 6 of HTML blocks in CommonMark.
var htmlBlocks = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range bytes.Fields([]byte(`address article aside base basefont blockquote body caption center col
		colgroup dd details dialog dir div dl dt fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5
		h6 head header hr html iframe legend li link main menu menuitem nav noframes ol optgroup option p param search
		section summary table tbody td tfoot th thead title tr track ul`)) {
		all[string(name)] = true
	}
	return all
}()
