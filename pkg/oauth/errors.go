package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/oauth2"

	"gptpipe/pkg/redact"
	"gptpipe/pkg/wire"
)

// How a grant can end.
var (
	// ErrDenied says that the person said no.
	ErrDenied = errors.New("the login was denied")
	// ErrExpired says that nobody entered the code in time.
	ErrExpired = errors.New("the code has expired")
	// ErrEnded says that a refresh token serves no more: a person has to log
	// in again.
	ErrEnded = errors.New("the login has ended")
	// ErrCannot says that the server has no way to do what was asked.
	ErrCannot = errors.New("the server cannot do that")
)

// An Error is a refusal, as RFC 6749 has it in section 5.2, or any other HTTP
// status than success.
type Error struct {
	Status      int    // of HTTP
	Code        string // as "invalid_client"; empty if the server gave none
	Description string
}

func (e *Error) Error() string {
	text := fmt.Sprintf("the server answered with status %d", e.Status)
	switch {
	case e.Code != "":
		text = "the server refused: " + e.Code
	case e.Status >= 300 && e.Status < 400:
		text += ", and redirects are not followed"
	}
	if e.Description != "" {
		text += ": " + e.Description
	}
	return text
}

// Refused reports whether the server judged the request, and did not just fail
// at it.
func (e *Error) Refused() bool {
	switch {
	case e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return true
	case e.Status >= 500, e.Status == http.StatusTooManyRequests:
		return false
	}
	return e.Code != "" && e.Code != "temporarily_unavailable" && e.Code != "server_error"
}

// Temporary reports whether the server failed in a way that may pass by itself.
func (e *Error) Temporary() bool {
	return !e.Refused() && (e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Code != "")
}

// A NetworkError is a request that was lost on the way to the server, or back.
type NetworkError struct{ Err error }

func (e *NetworkError) Error() string { return e.Err.Error() }
func (e *NetworkError) Unwrap() error { return e.Err }

// Temporary reports whether that may pass by itself, which a certificate that
// is not trusted does not.
func (e *NetworkError) Temporary() bool { return !wire.Hopeless(e.Err) }

// Reached reports whether there was a connection: one that is refused, a name
// that is not found, a certificate that is not trusted or a proxy that will not
// have it may be as they are for this process alone.
func (e *NetworkError) Reached() bool { return !errors.As(e.Err, new(unconnected)) }

// unconnected is a failure before there was a connection to the server.
type unconnected struct{ error }

func (e unconnected) Unwrap() error { return e.error }

// maxDescription keeps a message one that is read.
const maxDescription = 300

// newError takes code and description from a server: on one line, and without
// the secrets that it was sent, however it spells them.
func newError(status int, code, description string, secrets ...string) *Error {
	var known redact.Redactor
	known.Add(secrets...)
	clean := func(text string) string {
		words := strings.FieldsFunc(known.String(text), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
		text = strings.Join(words, " ")
		if len(text) > maxDescription {
			text = strings.ToValidUTF8(text[:maxDescription], "") + "…"
		}
		return text
	}
	return &Error{Status: status, Code: clean(code), Description: clean(description)}
}

// plain makes an error of x/oauth2 one of ours: its own quotes what the server
// sent.
func plain(ctx context.Context, err error, secrets ...string) error {
	var refusal *oauth2.RetrieveError
	var network *url.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refusal):
		return newError(refusal.Response.StatusCode, refusal.ErrorCode, refusal.ErrorDescription, secrets...)
	case errors.As(err, &network):
		return &NetworkError{network.Err}
	}
	return errBadAnswer
}

// code is that of a refusal, or empty.
func code(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
