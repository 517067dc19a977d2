package wire

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// readEvents reads all events, and the error that ended them.
func readEvents(in io.Reader) (events []string, err error) {
	r := newEventReader(in)
	for {
		data, err := r.next()
		if err != nil {
			return events, err
		}
		events = append(events, string(data))
	}
}

// The rules of the WHATWG HTML standard, 9.2.5 and 9.2.6, one by one.
func TestEvents(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want     []string
	}{
		{"LF ends a line", "data: a\n\ndata: b\n\n", []string{"a", "b"}},
		{"CRLF ends a line", "data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}},
		{"CR ends a line", "data: a\r\rdata: b\r\r", []string{"a", "b"}},
		{"LF and CR are two ends", "data: a\n\rdata: b\n\r", []string{"a", "b"}},
		{"CR and CRLF", "data: a\r\r\ndata: b\r\r\n", []string{"a", "b"}},
		{"CRLF and LF", "data: a\r\n\ndata: b\r\n\n", []string{"a", "b"}},
		{"CRLF in the middle of an event is one end", "data: a\r\ndata: b\r\n\r\n", []string{"a\nb"}},
		{"several lines of data", "data: YHOO\ndata: +2\ndata: 10\n\n", []string{"YHOO\n+2\n10"}},
		{"a comment", ": test stream\n\ndata: a\n: in between\n\n", []string{"a"}},
		{"a comment alone is no event", ":\n\n: keep alive\n\n", nil},
		{"no space after the colon", "data:a\n\ndata: a\n\n", []string{"a", "a"}},
		{"only one space is taken away", "data:  a\n\n", []string{" a"}},
		{"a tab is not", "data:\ta\n\n", []string{"\ta"}},
		{"data without a colon is empty", "data\n\ndata\ndata\n\n", []string{"", "\n"}},
		{"data with nothing", "data:\n\n", []string{""}},
		{"an event cut at the end is none", "data: a\n\ndata: b\n", []string{"a"}},
		{"a line cut at the end is none", "data: a\n\ndata: b", []string{"a"}},
		{"a byte order mark in front", "\ufeffdata: a\n\n", []string{"a"}},
		{"one byte order mark, not two", "\ufeff\ufeffdata: a\n\ndata: b\n\n", []string{"b"}},
		{"a byte order mark later is text", "data: \ufeffa\n\n\ufeffdata: b\n\n", []string{"\ufeffa"}},
		{"other fields", "event: add\nid: 1\nretry: 10\ndata: a\nfoo: b\n\n", []string{"a"}},
		{"names of fields are exact", "Data: a\ndatax: b\n data: c\ndata : d\n\n", nil},
		{"a colon in the data", "data: a: b:c\n\n", []string{"a: b:c"}},
		{"blank lines between events", "\n\n\ndata: a\n\n\n\ndata: b\n\n", []string{"a", "b"}},
		{"an event without data is none", "event: ping\n\ndata: a\n\n", []string{"a"}},
		{"bytes that are no text", "data: \xff\x00\n\n", []string{"\xff\x00"}},
		{"nothing", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			for how, in := range map[string]io.Reader{
				"whole":        strings.NewReader(test.in),
				"byte by byte": iotest.OneByteReader(strings.NewReader(test.in)),
				"EOF with it":  iotest.DataErrReader(strings.NewReader(test.in)),
			} {
				got, err := readEvents(in)
				if !slices.Equal(got, test.want) || err != io.EOF {
					t.Errorf("%s: %q, error %v, want %q", how, got, err, test.want)
				}
			}
			if slow := slowEvents([]byte(test.in)); !slices.Equal(slow, test.want) {
				t.Errorf("the slow reader: %q", slow)
			}
		})
	}
}

// An event ends with its blank line: it must not wait for the byte behind that,
// which may be a minute away.
func TestEventIsDeliveredAtItsBlankLine(t *testing.T) {
	for _, end := range []string{"\n\n", "\r\n\r\n", "\r\r"} {
		client, server := io.Pipe()
		go server.Write([]byte("data: a" + end))
		data, err := newEventReader(client).next()
		if string(data) != "a" || err != nil {
			t.Errorf("%q: %q, error %v", end, data, err)
		}
		server.Close()
	}
}

// The error of the connection must not look like the end of the stream.
func TestEventsPassOnTheError(t *testing.T) {
	broken := errors.New("broken")
	in := io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(broken))
	if got, err := readEvents(in); !slices.Equal(got, []string{"a"}) || err != broken {
		t.Errorf("%q, error %v", got, err)
	}
}

// FuzzEvents holds the reader against one that has the whole stream before it,
// however the stream is cut into reads.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("\ufeff: c\r\ndata: {\"a\":1}\r\n\r\ndata\rdata: x\n\nid:1\n\r\ndata:cut"), []byte{1, 2, 3})
	f.Add([]byte("data: [DONE]\n\n"), []byte{200})
	f.Add([]byte("\r\n\r\rdata:\r\n\r"), []byte{0})
	f.Fuzz(func(t *testing.T, stream, cuts []byte) {
		want := slowEvents(stream)
		for how, in := range map[string]io.Reader{
			"whole":  bytes.NewReader(stream),
			"in cut": &cutReader{in: stream, cuts: cuts},
		} {
			got, err := readEvents(in)
			if !slices.Equal(got, want) || err != io.EOF {
				t.Errorf("%s: %q, error %v, want %q", how, got, err, want)
			}
		}
	})
}

// A cutReader gives its bytes in pieces of the lengths in cuts, again and again.
type cutReader struct {
	in, cuts []byte
	turn     int
}

func (r *cutReader) Read(p []byte) (int, error) {
	if len(r.in) == 0 {
		return 0, io.EOF
	}
	n := 1
	if len(r.cuts) > 0 {
		n += int(r.cuts[r.turn%len(r.cuts)])
		r.turn++
	}
	n = copy(p[:min(n, len(p))], r.in)
	r.in = r.in[n:]
	return n, nil
}

// slowEvents follows the standard step by step over a whole stream.
func slowEvents(stream []byte) (events []string) {
	text := strings.TrimPrefix(string(stream), "\ufeff")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	lines := strings.Split(text, "\n")
	lines = lines[:len(lines)-1] // what has no end of line is discarded
	buffer := ""
	for _, line := range lines {
		field, value, hasColon := strings.Cut(line, ":")
		switch {
		case line == "":
			if buffer != "" {
				events = append(events, strings.TrimSuffix(buffer, "\n"))
			}
			buffer = ""
		case hasColon && field == "": // a comment
		case field == "data":
			buffer += strings.TrimPrefix(value, " ") + "\n"
		}
	}
	return events
}
