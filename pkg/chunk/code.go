package chunk

import "bytes"

// codeLine returns the line of source code in text[from:to+1] to begin the next
// chunk with, or 0: the last that begins a block at the top level, looked for in
// the second half; else in the last fifth the least indented line behind a blank
// one, then the least indented line; else the last line.
//
// It knows no language. A block at the top level begins with a line that is not
// indented, has a blank line before it, and does not close anything.
func codeLine(text []byte, from, to int) int {
	var behindBlank, anywhere, last int
	leastBehindBlank, least := maxIndent, maxIndent
	top := 0
	lines(text, from, to, func(at int) bool {
		if last == 0 {
			last = at
		}
		if at < to/2 {
			return false
		}
		indent, opens := indentation(text[at:])
		if !opens {
			return true
		}
		blank := endsParagraph(text[:at])
		if blank && indent == 0 {
			top = at
			return false
		}
		if at < full(to) {
			return true
		}
		if blank && indent < leastBehindBlank {
			behindBlank, leastBehindBlank = at, indent
		}
		if indent < least {
			anywhere, least = at, indent
		}
		return true
	})
	for _, at := range []int{top, behindBlank, anywhere} {
		if at > 0 {
			return at
		}
	}
	return last
}

// maxIndent is where all lines are indented alike.
const maxIndent = 256

// indentation returns how many spaces and tabs text begins with, and whether a
// chunk may well begin with its first line: not if it is blank or closes a block.
func indentation(text []byte) (indent int, opens bool) {
	text = text[:min(len(text), maxIndent)]
	rest := bytes.TrimLeft(text, " \t")
	if len(rest) == 0 {
		return maxIndent, false
	}
	return len(text) - len(rest), bytes.IndexByte([]byte("\r\n)]}"), rest[0]) < 0
}

// showsIndentation tells whether text is enough to know the indentation of its
// first line.
func showsIndentation(text []byte) bool {
	return len(text) >= maxIndent || len(bytes.TrimLeft(text, " \t")) > 0
}
