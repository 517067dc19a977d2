package oauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

const (
	// codeLife is that of a code whose server does not say, which it must.
	codeLife = 15 * time.Minute
	// maxInterval bounds what a server can make us wait between two polls, in
	// seconds.
	maxInterval = 3600
)

// Device lets a person log in with a browser, on whatever machine (RFC 8628).
// show is called once, with the URL that the person is to visit, the code to
// enter there, and when that expires. Device then polls until there is an
// answer, as often as the server allows; a poll that is lost on the way does not
// end it. It fails with ErrDenied, ErrExpired, ErrCannot or *Error.
func (p Provider) Device(ctx context.Context, show func(url, code string, expires time.Time)) (Token, error) {
	if err := p.check(); err != nil {
		return Token{}, err
	}
	if p.DeviceURL == "" {
		return Token{}, fmt.Errorf("%w: it has no device authorization endpoint", ErrCannot)
	}
	da, err := p.config().DeviceAuth((&carrier{ctx: ctx}).context())
	switch {
	case err != nil:
		return Token{}, plain(ctx, err, p.ClientSecret)
	case da.DeviceCode == "" || !shows(da.UserCode) || !shows(da.VerificationURI) || checkURL("", da.VerificationURI) != nil:
		return Token{}, errBadAnswer
	}
	if da.Interval < 0 {
		da.Interval = 0 // the default
	}
	da.Interval = min(da.Interval, maxInterval)
	if da.Expiry.IsZero() {
		da.Expiry = time.Now().Add(codeLife)
	}
	show(da.VerificationURI, da.UserCode, da.Expiry)
	return p.poll(ctx, da)
}

// shows reports whether a person can be shown text, on one line, as what it is:
// beyond ASCII there is much that cannot be seen, or turns the line around.
func shows(text string) bool {
	return text != "" && len(text) <= 2000 && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// poll asks for the token of a code until there is an answer.
func (p Provider) poll(ctx context.Context, da *oauth2.DeviceAuthResponse) (Token, error) {
	c := &carrier{ctx: ctx, polls: true}
	t, err := p.config().DeviceAccessToken(c.context(), da)
	if err == nil {
		return taken(t)
	}
	late := errors.Is(err, context.DeadlineExceeded)
	err = plain(ctx, err, p.ClientSecret, da.DeviceCode)
	switch {
	case ctx.Err() != nil:
		return Token{}, err
	case late && c.lost != nil:
		return Token{}, fmt.Errorf("%w; the server could not be asked: %w", ErrExpired, c.lost)
	case late, code(err) == "expired_token":
		return Token{}, ErrExpired
	// The second is Entra ID's own name for it.
	case code(err) == "access_denied", code(err) == "authorization_declined":
		return Token{}, fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return Token{}, err
}
