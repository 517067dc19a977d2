package record

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A LineError is a line that is no record. The lines after it can be read.
type LineError struct {
	Line  int    // counted from 1
	Input []byte // the line as it came, without its end
	Err   error
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Record is the answer in the line's place: {"line","input","error"}.
func (e *LineError) Record() Record {
	r := Record{Line: e.Line}
	r.Set("line", AppendInt(nil, int64(e.Line)))
	r.Set("input", AppendString(nil, string(e.Input)))
	r.Set("error", Error{Type: "bad_input", Message: e.Err.Error()}.JSON())
	return r
}

// A Reader reads records, a line each. Lines may be of any length; memory is
// that of the longest. Blank lines and a byte order mark at the very start
// are skipped.
type Reader struct {
	in   *bufio.Reader
	raw  bool
	line int

	reuse  bool
	long   []byte // with reuse, memory for a line that is longer than the buffer
	fields []field
}

// NewReader reads JSON lines from in, or with raw lines of plain text, which
// become {"text": …}.
func NewReader(in io.Reader, raw bool) *Reader {
	return &Reader{in: bufio.NewReaderSize(in, 64<<10), raw: raw}
}

// Reuse makes Read use the same memory for one record after the other: a
// record, and the input of a LineError, is valid until the next Read. It is for
// those who are done with a record by then, and spares them a copy of the line.
func (r *Reader) Reuse() { r.reuse = true }

// Buffered reports whether a further line is likely to come without waiting.
func (r *Reader) Buffered() bool { return r.in.Buffered() > 0 }

// Lines is how many lines have been read, blank ones too.
func (r *Reader) Lines() int { return r.line }

// Read returns the next record. It returns io.EOF at the end, a *LineError
// for a line that is no record, and the error of the underlying reader.
func (r *Reader) Read() (Record, error) {
	for {
		line, err := r.next()
		if err != nil {
			return Record{}, err
		}
		if len(trimSpace(line)) == 0 {
			continue
		}
		rec, err := r.parse(line)
		if err != nil {
			return Record{}, &LineError{Line: r.line, Input: line, Err: err}
		}
		rec.Line = r.line
		return rec, nil
	}
}

func (r *Reader) parse(line []byte) (Record, error) {
	if r.raw {
		if !utf8.Valid(line) {
			return Record{}, invalidUTF8(line)
		}
		return FromText(string(line)), nil
	}
	if !r.reuse {
		return Parse(line)
	}
	rec, err := parse(line, r.fields[:0])
	if cap(rec.fields) > cap(r.fields) {
		r.fields = rec.fields
	}
	return rec, err
}

// next returns the next line without its end, in memory of its own unless that
// is to be used again.
func (r *Reader) next() ([]byte, error) {
	line, err := r.in.ReadSlice('\n')
	if cut := errors.Is(err, bufio.ErrBufferFull); cut || !r.reuse {
		line = append(r.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			var part []byte
			part, err = r.in.ReadSlice('\n')
			line = append(line, part...)
		}
		if r.reuse {
			r.long = line
		}
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return nil, err
	}
	r.line++
	if r.line == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}
