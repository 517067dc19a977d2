package oauth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gptpipe/pkg/oauth"
	"gptpipe/test/oidc"
)

// discover finds the server's URLs and adds a client.
func discover(t *testing.T, server *oidc.Server, client, secret string) oauth.Provider {
	t.Helper()
	p, err := oauth.Discover(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	p.ClientID, p.ClientSecret, p.Scopes = client, secret, []string{"openid", "offline_access", "api"}
	return p
}

// person is what a person does when shown a URL and a code; what comes of it is
// sent to done.
func person(act func(url, code string) error, done chan<- error) func(string, string, time.Time) {
	return func(url, code string, _ time.Time) { go func() { done <- act(url, code) }() }
}

func TestDeviceLoginRefreshAndRevocation(t *testing.T) {
	server := oidc.Start(t, oidc.Options{})
	p := discover(t, server, "person", "")
	done := make(chan error, 1)
	first, err := p.Device(t.Context(), person(server.Approve, done))
	if err != nil {
		t.Fatalf("%v; the person: %v", err, <-done)
	}
	if left := time.Until(first.Expires); left < 50*time.Minute || left > time.Hour {
		t.Errorf("expires in %v, want an hour", left)
	}
	if !server.Active(first.Access) || !server.Active(first.Refresh) {
		t.Error("the tokens are not good")
	}

	second, err := p.Refresh(t.Context(), first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	if second.Access == first.Access || second.Refresh == first.Refresh || !server.Active(second.Access) {
		t.Error("the refresh gave no new tokens")
	}

	if err := p.Revoke(t.Context(), second.Refresh); err != nil {
		t.Error(err)
	}
	if err := p.Revoke(t.Context(), second.Access); err != nil {
		t.Error(err)
	}
	if server.Active(second.Access) || server.Active(second.Refresh) {
		t.Error("a token is good after it was revoked")
	}
	_, err = p.Refresh(t.Context(), second.Refresh)
	var refusal *oauth.Error
	if !errors.Is(err, oauth.ErrEnded) || !errors.As(err, &refusal) || refusal.Code != "invalid_grant" {
		t.Errorf("refresh after revocation: %v", err)
	}
	if strings.Contains(fmt.Sprint(err), second.Refresh) {
		t.Errorf("the token is repeated: %v", err)
	}
}

// A refresh token that was used already ends the login, at this server for the
// whole family of tokens: nothing may ever send one twice.
func TestRefreshSendsATokenOnce(t *testing.T) {
	server := oidc.Start(t, oidc.Options{})
	p := discover(t, server, "person", "")
	done := make(chan error, 1)
	first, err := p.Device(t.Context(), person(server.Approve, done))
	if err != nil {
		t.Fatalf("%v; the person: %v", err, <-done)
	}
	before := server.Count("POST /token")
	second, err := p.Refresh(t.Context(), first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Refresh(t.Context(), first.Refresh); !errors.Is(err, oauth.ErrEnded) {
		t.Errorf("a refresh token used twice: %v", err)
	}
	if got := server.Count("POST /token") - before; got != 2 {
		t.Errorf("%d requests for two refreshes", got)
	}
	if server.Active(second.Access) {
		t.Error("this server is expected to revoke what came of a token that is used twice")
	}
}

func TestDeviceCodeIsGoodOnce(t *testing.T) {
	server := oidc.Start(t, oidc.Options{})
	p := discover(t, server, "person", "")
	device, err := oauth.Ask(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Approve(device.VerificationURI, device.UserCode); err != nil {
		t.Fatal(err)
	}
	if err := server.Approve(device.VerificationURI, device.UserCode); err == nil {
		t.Error("the server takes a code twice")
	}
	if _, err := p.Poll(t.Context(), device); err != nil {
		t.Error(err)
	}
	_, err = p.Poll(t.Context(), device)
	var refusal *oauth.Error
	if !errors.As(err, &refusal) || refusal.Code != "invalid_grant" || !refusal.Refused() {
		t.Errorf("a device code that was used: %v", err)
	}
}

func TestDeviceDenied(t *testing.T) {
	server := oidc.Start(t, oidc.Options{})
	p := discover(t, server, "person", "")
	done := make(chan error, 1)
	_, err := p.Device(t.Context(), person(server.Deny, done))
	if !errors.Is(err, oauth.ErrDenied) {
		t.Errorf("%v; the person: %v", err, <-done)
	}
}

func TestDeviceCodeExpired(t *testing.T) {
	server := oidc.Start(t, oidc.Options{DeviceCode: 2})
	p := discover(t, server, "person", "")
	var page, code string
	var told time.Time
	_, err := p.Device(t.Context(), func(url, c string, expires time.Time) { page, code, told = url, c, expires })
	if !errors.Is(err, oauth.ErrExpired) || time.Now().Before(told.Add(-time.Second)) { // the server counts in whole seconds
		t.Errorf("%v, at %v; told that the code expires at %v", err, time.Now(), told)
	}
	if err := server.Approve(page, code); err == nil {
		t.Error("the server takes a code that has expired")
	}
}

func TestClientCredentials(t *testing.T) {
	server := oidc.Start(t, oidc.Options{})
	for client, secret := range map[string]string{"service": "service-secret-1", "service-post": "service-secret-2"} {
		p := discover(t, server, client, secret)
		p.Scopes = []string{"api"}
		token, err := p.Client(t.Context())
		if err != nil || token.Access == "" || token.Refresh != "" || token.Expires.IsZero() {
			t.Errorf("%s: %v, %v", client, token, err)
		}
		p.ClientSecret = "wrong-secret-3"
		_, err = p.Client(t.Context())
		var refusal *oauth.Error
		if !errors.As(err, &refusal) || refusal.Code != "invalid_client" || !refusal.Refused() {
			t.Errorf("%s with a wrong secret: %v", client, err)
		}
		if strings.Contains(fmt.Sprint(err), "wrong-secret") {
			t.Errorf("the secret is repeated: %v", err)
		}
	}
	_, err := discover(t, server, "person", "").Client(t.Context())
	var refusal *oauth.Error
	if !errors.As(err, &refusal) || !refusal.Refused() {
		t.Errorf("a client that may not: %v", err)
	}
}
