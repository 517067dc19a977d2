package record

import (
	"bufio"
	"io"
)

// A Writer writes records, a line each, through a buffer.
type Writer struct{ out *bufio.Writer }

// NewWriter writes to out. What is written arrives there at Flush, or earlier
// when the buffer is full.
func NewWriter(out io.Writer) *Writer {
	return &Writer{out: bufio.NewWriterSize(out, 64<<10)}
}

// Write writes one record and its newline.
func (w *Writer) Write(r *Record) error {
	if _, err := w.out.Write(r.Bytes()); err != nil {
		return err
	}
	return w.out.WriteByte('\n')
}

// Flush sends on what the buffer holds.
func (w *Writer) Flush() error { return w.out.Flush() }
