package wire

import (
	"encoding/json"
	"errors"
	"io"

	"gptpipe/pkg/llm"
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

// decode reads JSON that a server sent; an error object in it is its error.
func decode(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		if len(data) == 0 {
			return badResponse("the answer is empty")
		}
		return badResponse("the answer is not the JSON it should be: " + err.Error())
	}
	return nil
}
