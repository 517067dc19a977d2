package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
	"gptpipe/pkg/scan"
)

// A format is what tells one API from another.
type format struct {
	path         string // under the root
	maxTokens    string // name of the field
	noSeed       bool
	streamFields string // what asks for a stream
	prompt       func(b *body, p *llm.Prompt)
	answerFormat func(b *body, p *llm.Prompt)
	read         func(body []byte) (*llm.Response, error)
	newStream    func() stream
}

// A stream puts an answer together from its events.
type stream interface {
	// event takes in one event and returns the piece of text it brings. It
	// returns io.EOF with the event that ends the stream.
	event(data []byte) (delta string, err error)
	// response is the answer when no event is left.
	response() (*llm.Response, error)
}

// formatOf returns the format of --api; chat serves whatever is not responses.
func formatOf(api string) format {
	if api == "responses" {
		return responses
	}
	return chat
}

func (f format) streaming(body []byte) []byte { return splice(body, f.streamFields) }

func (f format) readStream(in io.Reader, onDelta func(string)) (*llm.Response, error) {
	s := f.newStream()
	events := newEventReader(in)
	for {
		data, err := events.next()
		if err == nil && len(data) > 0 { // an empty one keeps the connection alive
			var delta string
			delta, err = s.event(data)
			if delta != "" {
				onDelta(delta)
			}
		}
		switch {
		case err == nil:
			continue
		case !errors.Is(err, io.EOF):
			return nil, err
		}
		return s.response()
	}
}

func errCut() *llm.Error { return badResponse("the stream was cut before its end") }

// badResponse is an answer that breaks the protocol; asking again may help.
func badResponse(message string) *llm.Error {
	return &llm.Error{Type: llm.BadResponse, Status: 200, Message: message, Retry: true}
}

// lasting is an answer that would be as useless, and as dear, if it were asked for
// again.
func lasting(message string) *llm.Error {
	return &llm.Error{Type: llm.BadResponse, Status: 200, Message: message}
}

// decode reads JSON that a server sent.
func decode(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return notJSON(data, err)
	}
	return nil
}

func notJSON(data []byte, err error) error {
	switch {
	case len(data) == 0:
		return badResponse("the answer is empty")
	case errors.Is(err, scan.ErrForm):
		return badResponse("the answer is not the JSON it should be")
	}
	return badResponse("the answer is not the JSON it should be: " + err.Error())
}

// parse is decode in place: it calls visit for the fields of an object that a
// server sent. As with decode, null says nothing, and what is no UTF-8 is
// replaced.
func parse(object []byte, visit func(name, value []byte) error) error {
	object = bytes.Trim(valid(object), " \t\r\n")
	err := record.Check(object)
	if err == nil {
		err = fields(object, visit)
	}
	if err != nil {
		return notJSON(object, err)
	}
	return nil
}

// valid replaces what is no UTF-8, from a server that cuts its text between two
// bytes.
func valid(data []byte) []byte {
	if utf8.Valid(data) {
		return data
	}
	return bytes.ToValidUTF8(data, []byte("\ufffd"))
}

// fields calls visit for the fields of an object that are not null. An error of
// visit says that a value is of the wrong type.
func fields(object []byte, visit func(name, value []byte) error) error {
	if scan.IsNull(object) {
		return nil
	}
	return scan.Fields(object, func(name, value []byte) error {
		if scan.IsNull(value) {
			return nil
		}
		err := visit(name, value)
		var inner *typeError
		switch {
		case errors.As(err, &inner):
			inner.path = string(name) + "." + inner.path
		case err != nil:
			return &typeError{string(name)}
		}
		return err
	})
}

// A typeError is about the field at a path.
type typeError struct{ path string }

func (e *typeError) Error() string { return e.path + " has the wrong type" }

func setText(to *string, value []byte) error {
	if scan.First(value) != '"' {
		return scan.ErrForm
	}
	*to = record.Text(value)
	return nil
}

// setInt reads a whole number, in whatever form: 0, 0.0, 0e1.
func setInt(to *int, value []byte) error {
	f, err := strconv.ParseFloat(string(value), 64)
	*to = int(f)
	return err
}
