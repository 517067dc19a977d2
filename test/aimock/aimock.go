// Package aimock runs @copilotkit/aimock, a mock of the OpenAI API that nobody of this project wrote, for the tests of our
// client: what we take the API to be is held against what its authors take it to be.
//
// It needs what package node says; without, a test is skipped with the reason.
// The server speaks chat completions and responses, streaming and not. What it answers depends on the last user message:
//
//	echo TEXT           TEXT (what follows a blank line or one white space character), whatever the case of echo
//	echo-system         the system message
//	… be counted …      an answer with usage 11 + 3 = 14
//	… run too long …    an answer with finish_reason length
//	… be filtered …     an answer with finish_reason content_filter
//	… give JSON …       with response_format json_object: {"name":"Ada","age":36}
//	… fit the schema …  with json_schema: likewise; break the schema: a name that is a number, an age that is a string
//	… always 429 …      429 rate_limit_exceeded, Retry-After: 1
//	… no quota …        429 insufficient_quota
//	… always 500 …      500
//	… first 500 …       500 to the first such request, then an answer
//	… cut the stream …  a stream whose connection ends after three events
//	anything else       404 no_fixture_match
//
// Further answers come from [Server.Add], and faults of any request, whatever it says, from [Server.FailNext] and
// [Server.Chaos].
package aimock

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

// Server is a running mock.
type Server struct {
	t    testing.TB
	root string // http://127.0.0.1:PORT
}

// Request is one request that was seen.
type Request struct {
	Path     string            `json:"path"`
	Headers  map[string]string `json:"headers"` // names in lower case; credentials are masked by the mock
	Body     json.RawMessage   `json:"body"`    // of /v1/responses: as the mock translated it, in the form of a chat completion
	Response struct {
		Status int `json:"status"`
	} `json:"response"`
}

// URL is the base URL to give to a client, with its /v1.
func (s *Server) URL() string { return s.root + "/v1" }

// Requests returns the API requests seen so far, in order of arrival.
func (s *Server) Requests() []Request {
	s.t.Helper()
	var requests []Request
	if err := json.Unmarshal(s.control("GET", "journal?path=/v1/", nil), &requests); err != nil {
		s.t.Fatalf("aimock: journal: %v", err)
	}
	return requests
}

// FailNext makes the next request fail with an error; code may be empty. Called twice, two requests fail, with the error of
// the later call first.
func (s *Server) FailNext(status int, message, kind, code string) {
	s.t.Helper()
	body := map[string]string{"message": message, "type": kind}
	if code != "" {
		body["code"] = code
	}
	s.control("POST", "error", map[string]any{"status": status, "body": body})
}

// Chaos sets how often requests fail, in place of what was set before, by the mock's own names: dropRate (500),
// malformedRate (a body that is not JSON), disconnectRate and rateLimitRate (429) from 0 to 1, latencyMs.
func (s *Server) Chaos(rates map[string]float64) {
	s.t.Helper()
	s.control("POST", "chaos", rates)
}

// Add adds fixtures behind the others: a JSON array as the mock's documentation has it.
func (s *Server) Add(fixtures string) {
	s.t.Helper()
	s.control("POST", "fixtures", map[string]any{"fixtures": json.RawMessage(fixtures)})
}

// control calls the mock's own API.
func (s *Server) control(method, path string, in any) []byte {
	s.t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		s.t.Fatalf("aimock: %v", err)
	}
	req, err := http.NewRequest(method, s.root+"/__aimock/"+path, bytes.NewReader(b))
	if err != nil {
		s.t.Fatalf("aimock: %v", err)
	}
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatalf("aimock: %v", err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("aimock: %s %s: status %d, error %v: %s", method, path, resp.StatusCode, err, out)
	}
	return out
}
