package main

import (
	"io"

	"gptpipe/pkg/chunk"
	"gptpipe/pkg/record"
)

// A line is a record to be written: a chunk, a chunk added to the record it is of,
// or with no chunk a record as it is.
type line struct {
	part chunk.Chunk
	doc  string
	base *record.Record
}

// A batch is lines that are written at once. To encode and write them takes up to a
// third as long as to divide the text, and is done meanwhile.
type batch struct {
	lines []line
	size  int // about, in bytes
}

const (
	batchSize = 64 << 10
	lineSize  = 128 // with no text
)

// add adds a line, with a text of size bytes, to what is to be written.
func (c *chunker) add(l line, size int) {
	c.batch.lines = append(c.batch.lines, l)
	if c.batch.size += lineSize + size; c.batch.size >= batchSize {
		c.send()
	}
}

// send has what was added written.
func (c *chunker) send() {
	if len(c.batch.lines) > 0 {
		c.out <- c.batch
		c.batch = batch{}
	}
}

// writeAll writes batches until there are no more.
func writeAll(w io.Writer, batches <-chan batch) error {
	var text []byte
	for b := range batches {
		text = text[:0]
		for _, l := range b.lines {
			switch {
			case l.base == nil:
				text = appendPart(text, l.doc, l.part)
			case l.part.Text == "":
				text = append(text, l.base.Bytes()...)
			default:
				rec := *l.base
				addPart(&rec, l.doc, l.part)
				text = append(text, rec.Bytes()...)
			}
			text = append(text, '\n')
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return nil
}
