package main

import (
	"errors"
	"fmt"
	"io"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/record"
)

// A source reads the records of all inputs in turn, and counts their lines.
type source struct {
	in     *cli.Inputs
	raw    bool
	reader *record.Reader
	line   int // lines of the inputs before this one
}

// An item is a record to answer or, for a line that is none, the record that
// answers it and why.
type item struct {
	record record.Record
	bad    error
}

// next returns the next item, for ordered.Map.
func (s *source) next() (item, error) {
	for {
		if s.reader == nil {
			in, err := s.in.Next()
			if err != nil {
				return item{}, err
			}
			s.reader = record.NewReader(in, s.raw)
		}
		r, err := s.reader.Read()
		var bad *record.LineError
		switch {
		case err == nil:
			r.Line += s.line
			return item{record: r}, nil
		case errors.As(err, &bad):
			bad.Line += s.line
			return item{bad.Record(), fmt.Errorf("line %d: bad_input: %w", bad.Line, bad.Err)}, nil
		case !errors.Is(err, io.EOF):
			return item{}, fmt.Errorf("%s: %w", s.in.Name(), err)
		}
		s.line += s.reader.Lines()
		s.reader = nil
	}
}
