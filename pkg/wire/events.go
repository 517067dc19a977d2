package wire

import (
	"bufio"
	"bytes"
	"io"
)

// An eventReader reads server-sent events as the WHATWG HTML standard, section
// 9.2, defines them: lines end in LF, CRLF or CR, an event in an empty line; of
// the fields only data matters here. An event that the end of the stream cuts
// is not delivered.
type eventReader struct {
	in    *bufio.Reader
	first bool
	cr    bool // the last line ended in CR, and a LF right after belongs to it
}

func newEventReader(in io.Reader) *eventReader {
	return &eventReader{in: bufio.NewReader(in), first: true}
}

// next returns the data of the next event, or the error that ended the stream.
func (r *eventReader) next() ([]byte, error) {
	var data []byte
	for seen := false; ; {
		line, err := r.line()
		switch {
		case err != nil:
			return nil, err
		case len(line) == 0 && seen:
			return data[:len(data)-1], nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) == "data" {
			seen = true
			data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
			data = append(data, '\n')
		}
	}
}

func (r *eventReader) line() ([]byte, error) {
	var line []byte
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return nil, err
		}
		if after := r.cr; after {
			if r.cr = false; c == '\n' {
				continue
			}
		}
		if c == '\n' || c == '\r' {
			r.cr = c == '\r'
			break
		}
		line = append(line, c)
	}
	if r.first {
		r.first = false
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	return line, nil
}
