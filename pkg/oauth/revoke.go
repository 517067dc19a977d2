package oauth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Revoke makes a token, access or refresh, useless at the server (RFC 7009). It
// fails with ErrCannot where the server does not revoke, or not this kind; an
// access token then serves until it expires.
func (p Provider) Revoke(ctx context.Context, token string) error {
	if err := p.check(); err != nil {
		return err
	}
	if p.RevokeURL == "" {
		return fmt.Errorf("%w: it has no revocation endpoint", ErrCannot)
	}
	form := url.Values{"token": {token}}
	if p.ClientSecret == "" {
		form.Set("client_id", p.ClientID)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.RevokeURL, strings.NewReader(form.Encode()))
	if err != nil {
		return &URLError{"revocation URL", "not a URL"}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if p.ClientSecret != "" {
		req.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(p.ClientSecret)) // RFC 6749, section 2.3.1
	}
	resp, err := (&carrier{ctx: ctx}).client().Do(req)
	switch {
	case err != nil:
		return plain(ctx, err)
	case resp.StatusCode == http.StatusOK:
		return nil
	}
	var said struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.NewDecoder(resp.Body).Decode(&said) != nil {
		said.Code, said.Description = "", ""
	}
	refusal := newError(resp.StatusCode, said.Code, said.Description, token, p.ClientSecret)
	if refusal.Code == "unsupported_token_type" {
		return fmt.Errorf("%w: %w", ErrCannot, refusal)
	}
	return refusal
}
