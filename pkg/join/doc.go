package join

import (
	"fmt"
	"unicode/utf8"
)

// A piece is what one record gives to its document.
type piece struct {
	seq, to    int64 // to is the last one that a mark stands for, else seq
	text       string
	start, end int64 // in the document, if cut
	cut        bool  // a text that gpt-chunk cut
	mark       bool  // stands for what is missing
}

// mark returns the piece that stands for the missing records from to to.
func mark(name string, from, to int64) piece {
	text := fmt.Sprintf("[missing %s#%d]", name, from)
	if to > from {
		text = fmt.Sprintf("[missing %s#%d to %s#%d]", name, from, name, to)
	}
	return piece{seq: from, to: to, text: text, mark: true}
}

// A doc is a document that is not complete.
type doc struct {
	name     string
	numbered bool            // by seq
	seen     runs            // the seqs that have arrived
	last     int64           // the seq that says it is the last, or -1
	failed   int64           // the first that failed for good, or -1
	next     int64           // the seq to be written next
	waiting  map[int64]piece // those that cannot be written yet
	written  int64           // how far the texts written go, by their end
}

func newDoc(name string) *doc {
	return &doc{name: name, last: -1, failed: -1, waiting: map[int64]piece{}}
}

// keep takes in a piece, unless it will never be written.
func (d *doc) keep(p piece) {
	if d.failed >= 0 && p.seq > d.failed {
		return
	}
	p.to = max(p.to, p.seq)
	d.waiting[p.seq] = p
}

// fail notes that seq will not come, so that nothing behind it will be written.
func (d *doc) fail(seq int64) {
	if d.failed >= 0 && d.failed < seq {
		return
	}
	d.failed = seq
	for s := range d.waiting {
		if s > seq {
			delete(d.waiting, s)
		}
	}
}

// write hands the pieces that are in order to out.
func (d *doc) write(out sink) error {
	for {
		p, ok := d.waiting[d.next]
		if !ok {
			return nil
		}
		delete(d.waiting, d.next)
		d.next = p.to + 1
		if p.cut {
			p.text = p.text[d.overlap(p):]
			d.written = max(d.written, p.end)
		}
		if err := out.add(d, p); err != nil {
			return err
		}
	}
}

// overlap returns how many bytes at the beginning of p have been written. They
// are as many in the text as in the document, even where gpt-chunk has replaced
// invalid UTF-8: an overlap holds no replacement.
func (d *doc) overlap(p piece) int {
	n := int(max(0, min(d.written-p.start, p.end-p.start, int64(len(p.text)))))
	for n < len(p.text) && !utf8.RuneStart(p.text[n]) {
		n++ // the text has been changed since it was cut
	}
	return n
}
