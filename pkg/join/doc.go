package join

import "unicode/utf8"

// A doc is a document that is not complete.
type doc struct {
	key
	number   int             // in order of appearance
	numbered bool            // by seq
	seen     seen            // the seqs that have arrived
	last     int64           // the lowest seq that says it is the last, or -1
	failed   int64           // the first that failed for good, or -1
	next     int64           // the seq to be written next
	waiting  map[int64]piece // those that cannot be written yet, but for the spilled
	written  int64           // how far the texts written go, by their end

	other  bool // something written was no text that gpt-chunk cut
	marked bool // what was written last is a mark
}

func newDoc(k key, number int) *doc {
	return &doc{key: k, number: number, seen: newSeen(), last: -1, failed: -1}
}

// overlap returns how many bytes at the beginning of text have been written.
// They are as many in the text as in the document, even where gpt-chunk has
// replaced invalid UTF-8: an overlap holds no replacement. It is not ok if start
// and end cannot be those of the text.
func (d *doc) overlap(p piece, text []byte) (n int, ok bool) {
	// A replacement has three bytes and stands for one to three.
	length := p.end - p.start
	if fits := length <= int64(len(text)) && int64(len(text))/3 <= length; !fits {
		return 0, p.start >= d.written
	}
	over := d.written - p.start
	if over >= length && over > 0 {
		return 0, length == 0 // every chunk has something new
	}
	d.written = p.end
	n = int(max(0, over))
	for n < len(text) && !utf8.RuneStart(text[n]) {
		n++ // the text has been changed since it was cut
	}
	return n, true
}

// separator returns what stands before p, if it is not the first of its
// document; a blank line, or nothing between texts that gpt-chunk cut.
func (d *doc) separator(given *string, p piece) string {
	d.other = d.other || !p.cut && !p.mark
	blank := d.other || d.marked || p.mark
	d.marked = p.mark
	switch {
	case given != nil:
		return *given
	case blank:
		return blankLine
	}
	return ""
}

const blankLine = "\n\n"
