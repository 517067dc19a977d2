package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"gptpipe/pkg/record"
	"gptpipe/pkg/token"
)

// records divides the value of each record of a JSON Lines file.
func (c *chunker) records(name string, in io.Reader) error {
	for r := record.NewReader(in, false); ; {
		rec, err := r.Read()
		if err == io.EOF {
			return nil
		}
		var bad *record.LineError
		if errors.As(err, &bad) && c.o.replace {
			var again record.Record
			if again, err = record.Parse([]byte(token.ToValid(string(bad.Input)))); err == nil {
				rec = again
				rec.Line = bad.Line
			} else {
				err = bad
			}
		}
		if err == nil {
			err = c.record(rec)
		}
		switch {
		case errors.As(err, &bad):
			c.sys.Log.Errorf("%s: %v", name, err)
			c.bad = true
		case err != nil:
			return err
		}
	}
}

// record divides the value of one record. A record that failed in an earlier
// stage has none; it passes as it is.
func (c *chunker) record(rec record.Record) error {
	in := rec.Current(c.o.in)
	text, ok := rec.Text(in)
	_, failed := rec.Failed()
	switch {
	case failed && (!ok || c.o.in == "" && in == "text"):
		c.add(line{base: &rec}, len(rec.Bytes()))
		return nil
	case !ok:
		return &record.LineError{Line: rec.Line, Err: fmt.Errorf("the record has no field %q", in)}
	}
	doc := strconv.Itoa(rec.Line)
	for _, name := range []string{"id", "doc"} {
		if v, ok := rec.Get(name); ok && string(v) != "null" {
			doc = record.Text(v)
		}
	}

	// The whole value goes, so that no part carries it along, and so does a
	// response, or it would be taken for the part's.
	rec.Set("text", []byte(`""`))
	for _, name := range []string{in, "response", "last"} {
		if name != "text" {
			rec.Delete(name)
		}
	}
	return c.divide(strings.NewReader(text), c.names.Unique(doc), &rec)
}
