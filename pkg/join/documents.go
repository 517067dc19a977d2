package join

import (
	"bufio"
	"io"

	"gptpipe/pkg/record"
)

// documents writes each document as a record: id, doc, seq 0, text, and last if
// it is complete, so that it can be mapped, chunked and joined again. The text is
// written as it comes, and last behind it, so that no document need fit into
// memory.
type documents struct {
	out  *bufio.Writer
	open bool // a record has been begun
	line []byte
}

func newDocuments(out io.Writer) *documents {
	return &documents{out: bufio.NewWriterSize(out, bufferSize)}
}

func (w *documents) add(d *doc, sep string, _ piece, text []byte) error {
	w.line = w.line[:0]
	if !w.open {
		w.open, sep = true, ""
		w.line = append(appendPlace(w.line, d.name, 0), `,"text":"`...)
	}
	w.line = record.AppendEscaped(w.line, sep)
	w.line = record.AppendEscaped(w.line, text)
	_, err := w.out.Write(w.line)
	return err
}

func (w *documents) end(_ *doc, complete bool) error {
	if !w.open {
		return nil
	}
	w.open = false
	rest := "\"}\n"
	if complete {
		rest = "\",\"last\":true}\n"
	}
	_, err := w.out.WriteString(rest)
	return err
}

func (w *documents) finish() error { return nil }
func (w *documents) flush() error  { return w.out.Flush() }

// appendPlace appends the beginning of a record: its name and place.
func appendPlace(dst []byte, name string, seq int64) []byte {
	id := record.AppendInt(append([]byte(name), '#'), seq)
	dst = record.AppendString(append(dst, `{"id":`...), string(id))
	dst = record.AppendString(append(dst, `,"doc":`...), name)
	return record.AppendInt(append(dst, `,"seq":`...), seq)
}
