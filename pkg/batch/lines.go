package batch

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// lines reads a file line by line and knows where each begins. A line is valid
// until the next.
type lines struct {
	in   *bufio.Reader
	next int64
	long []byte
}

func newLines(r io.Reader) *lines { return &lines{in: bufio.NewReaderSize(r, 256<<10)} }

// read returns the next line without its end, and its offset. The end of the
// file is io.EOF.
func (l *lines) read() (line []byte, offset int64, err error) {
	line, err = l.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = append(l.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = l.in.ReadSlice('\n')
			l.long = append(l.long, line...)
		}
		line = l.long
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return nil, l.next, err
	}
	offset = l.next
	l.next += int64(len(line))
	return bytes.TrimRight(line, "\r\n"), offset, nil
}
