package oauth

import (
	"context"
	"fmt"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Client gets a token for the client itself, by its secret. The server may want
// the secret in a header or in the body: both are tried.
func (p Provider) Client(ctx context.Context) (Token, error) {
	if err := p.check(); err != nil {
		return Token{}, err
	}
	config := clientcredentials.Config{
		ClientID: p.ClientID, ClientSecret: p.ClientSecret, TokenURL: p.TokenURL, Scopes: p.Scopes,
	}
	t, err := config.Token((&carrier{ctx: ctx}).context())
	if err != nil {
		return Token{}, plain(ctx, err, p.ClientSecret)
	}
	return taken(t)
}

// Refresh gets the next token. Its Refresh is the new refresh token, if the
// server changes them, else the old one. It fails with ErrEnded if a person has
// to log in again.
func (p Provider) Refresh(ctx context.Context, refresh string) (Token, error) {
	if err := p.check(); err != nil {
		return Token{}, err
	}
	if refresh == "" {
		return Token{}, fmt.Errorf("%w: the server gave no refresh token", ErrEnded)
	}
	t, err := p.config().TokenSource((&carrier{ctx: ctx}).context(), &oauth2.Token{RefreshToken: refresh}).Token()
	if err == nil {
		return taken(t)
	}
	err = plain(ctx, err, p.ClientSecret, refresh)
	switch code(err) {
	// The others are OpenID Connect's; Entra ID answers with them when its
	// rules ask for a second factor.
	case "invalid_grant", "interaction_required", "login_required", "consent_required":
		err = fmt.Errorf("%w: %w", ErrEnded, err)
	}
	return Token{}, err
}
