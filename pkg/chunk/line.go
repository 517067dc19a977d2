package chunk

import "bytes"

// full returns the least end of a chunk for which a boundary is taken while
// there is one of lower rank nearer to limit: four fifths, which keeps the mean
// at nine tenths or more, whatever the distance of the boundaries.
func full(limit int) int { return limit - limit/5 }

// lines calls yield with the beginnings of lines in text[from:to+1] but for the
// beginning of text, from the last, until it returns false.
func lines(text []byte, from, to int, yield func(at int) bool) {
	from = max(from, 1)
	for to >= from {
		n := bytes.LastIndexByte(text[from-1:to], '\n')
		if n < 0 || !yield(from+n) {
			return
		}
		to = from + n - 1
	}
}

// lastLine returns the last end of a paragraph in text[from:to+1], else the
// last end of a line, else 0. A paragraph ends with a blank line.
func lastLine(text []byte, from, to int) (last int) {
	lines(text, from, to, func(at int) bool {
		if last == 0 {
			last = at
		}
		if endsParagraph(text[:at]) {
			last = at
			return false
		}
		return true
	})
	return last
}

// endsParagraph tells whether the last line of text, which ends with a newline,
// is blank.
func endsParagraph(text []byte) bool {
	text = bytes.TrimRight(text[:len(text)-1], " \t\r")
	return len(text) == 0 || text[len(text)-1] == '\n'
}
