// Package oauth has the OAuth 2.0 grants that a login and a running filter
// need: the device authorization grant (RFC 8628), for a person with a browser
// elsewhere; client credentials (RFC 6749, section 4.4), for a service; the
// refresh of what these gave; and revocation (RFC 7009).
//
// A Provider is a server and the client that is registered with it. Discover
// finds its URLs from an issuer. The methods of Provider each do one grant and
// keep nothing; who stores a Token stores the Provider with it, for the refresh.
//
// Every URL is https, or plain http to this machine alone; others are a
// *URLError, and nothing is sent. Redirects are not followed. One request ends
// after 30 s. What the server refuses is an *Error, and one of ErrDenied,
// ErrExpired and ErrEnded where it is one of these; everything else failed on
// the way. No error has a secret in it, and fmt shows none of a Provider's or
// a Token's.
package oauth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"gptpipe/pkg/wire"
)

// A Provider is an OAuth 2.0 server, and the client that we are to it. Without
// a secret it is a public client, as a program on a user's machine is.
type Provider struct {
	TokenURL     string   `json:"token_url"`
	DeviceURL    string   `json:"device_url,omitempty"`
	RevokeURL    string   `json:"revoke_url,omitempty"`
	ClientID     string   `json:"client_id,omitempty"`
	ClientSecret string   `json:"client_secret,omitempty"`
	Scopes       []string `json:"scopes,omitempty"`
}

// String hides the secret.
func (p Provider) String() string { return "OAuth 2.0 server " + p.TokenURL }

// GoString hides the secret from %#v.
func (p Provider) GoString() string { return p.String() }

// A Token is what a grant gives: an access token, when that expires (zero: the
// server does not say), and the refresh token that gets the next, if any.
type Token struct {
	Access, Refresh string
	Expires         time.Time
}

// String hides the secrets.
func (t Token) String() string {
	if t.Expires.IsZero() {
		return "token"
	}
	return "token until " + t.Expires.Format(time.RFC3339)
}

// GoString hides the secrets from %#v.
func (t Token) GoString() string { return t.String() }

// maxToken is more than any token has that an HTTP server takes in a header.
const maxToken = 16 << 10

// Usable reports whether token can be sent in a header, as RFC 6750 has it: at
// most 16 KiB of visible ASCII.
func Usable(token string) bool {
	return token != "" && len(token) <= maxToken &&
		!strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' })
}

var errBadAnswer = errors.New("the server's answer is not one of OAuth 2.0")

// taken is what x/oauth2 got, checked.
func taken(t *oauth2.Token) (Token, error) {
	switch {
	case !strings.EqualFold(t.Type(), "Bearer"):
		return Token{}, fmt.Errorf("the server gave a token of type %.40q, not a bearer token", t.TokenType)
	case !Usable(t.AccessToken), t.RefreshToken != "" && !Usable(t.RefreshToken):
		return Token{}, errBadAnswer
	}
	return Token{Access: t.AccessToken, Refresh: t.RefreshToken, Expires: t.Expiry.UTC().Truncate(time.Second)}, nil
}

// config is p for x/oauth2. How the client says who it is stands fixed: left to
// itself, x/oauth2 repeats each request that fails in another style, and a
// refresh token that is sent twice can cost the login.
func (p Provider) config() *oauth2.Config {
	style := oauth2.AuthStyleInParams
	if p.ClientSecret != "" {
		style = oauth2.AuthStyleInHeader
	}
	return &oauth2.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, Scopes: p.Scopes,
		Endpoint: oauth2.Endpoint{TokenURL: p.TokenURL, DeviceAuthURL: p.DeviceURL, AuthStyle: style},
	}
}

// A URLError is a URL of a server that is not to be used.
type URLError struct{ What, Why string }

func (e *URLError) Error() string { return e.What + ": " + e.Why }

// check answers a *URLError for a URL that no secret may go to.
func (p Provider) check() error {
	if p.TokenURL == "" {
		return &URLError{"token URL", "there is none"}
	}
	for _, e := range []struct{ what, url string }{
		{"token URL", p.TokenURL}, {"device URL", p.DeviceURL}, {"revocation URL", p.RevokeURL},
	} {
		if e.url == "" {
			continue
		}
		if err := checkURL(e.what, e.url); err != nil {
			return err
		}
	}
	return nil
}

// checkURL has the rule of package wire for what is encrypted or local.
func checkURL(what, text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return &URLError{what, "not a URL"}
	case u.User != nil:
		return &URLError{what, "a user or password does not belong there"}
	case u.Fragment != "":
		return &URLError{what, "no fragment can stand there"}
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return &URLError{what, "it has to begin with https:// and a host"}
	}
	e, err := wire.ParseEndpoint(u.Scheme + "://" + u.Host)
	switch {
	case err != nil:
		return &URLError{what, "not a URL"}
	case !e.TLS() && !e.Local():
		return &URLError{what, "plain http to another machine, where anyone between could read the tokens"}
	}
	return nil
}
