// Package oidc runs npm's oidc-provider, a certified OAuth 2.0 and OpenID Connect server that nobody of this project wrote,
// for the tests of our logins.
//
// Its clients are "person" (public, device authorization and refresh, refresh tokens change at each use), "service" (secret
// "service-secret-1", sent in a header) and "service-post" (secret "service-secret-2", sent in the body), both for client
// credentials. Its scopes are openid, offline_access and api. Clients may poll every second.
//
// It needs what package node says; without, a test is skipped with the reason.
package oidc

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gptpipe/test/node"
)

// Options say how long what the server gives is good for, in seconds.
type Options struct {
	AccessToken int `json:"accessToken"` // 0: an hour
	DeviceCode  int `json:"deviceCode"`  // 0: ten minutes
}

// Server is a running oidc-provider.
type Server struct {
	URL string // its issuer
	t   testing.TB
}

// Start runs a server until the end of the test.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if o.AccessToken == 0 {
		o.AccessToken = 3600
	}
	if o.DeviceCode == 0 {
		o.DeviceCode = 600
	}
	arg, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return &Server{node.Start(t, "oidc", string(arg)), t}
}

// Count returns how many requests there were, as in "POST /token".
func (s *Server) Count(request string) int {
	s.t.Helper()
	counts := map[string]int{}
	if err := json.Unmarshal(s.call("GET", "/counts", nil), &counts); err != nil {
		s.t.Fatalf("oidc: %v", err)
	}
	return counts[request]
}

// Active asks the server whether a token of the client "person" is good.
func (s *Server) Active(token string) bool {
	s.t.Helper()
	var answer struct{ Active bool }
	form := url.Values{"token": {token}, "client_id": {"person"}}
	if err := json.Unmarshal(s.call("POST", "/token/introspection", form), &answer); err != nil {
		s.t.Fatalf("oidc: %v", err)
	}
	return answer.Active
}

func (s *Server) call(method, path string, form url.Values) []byte {
	s.t.Helper()
	req, err := http.NewRequest(method, s.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatalf("oidc: %v", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body, err := read((&http.Client{Timeout: 10 * time.Second}).Do(req))
	if err != nil {
		s.t.Fatalf("oidc: %v", err)
	}
	return body
}

func read(resp *http.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// Approve does what a person does with a browser: opens the page, enters the code, logs in and agrees.
func (s *Server) Approve(page, code string) error { return s.browse(page, code, false) }

// Deny opens the page, enters the code and does not go on.
func (s *Server) Deny(page, code string) error { return s.browse(page, code, true) }

// browse fills in one form after the other until there is none.
func (s *Server) browse(page, code string, deny bool) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar, Timeout: 10 * time.Second}
	resp, err := browser.Get(page)
	for range 10 {
		if err != nil {
			return err
		}
		at := resp.Request.URL
		body, err2 := read(resp, nil)
		text := string(body)
		switch {
		case err2 != nil:
			return err2
		case strings.Contains(text, "Sign-in Success"):
			return nil
		case deny && strings.Contains(text, "was interrupted"):
			return nil
		case strings.Contains(text, "incorrect"), strings.Contains(text, "error processing"):
			return fmt.Errorf("the page does not take the code %s", code)
		}
		action, fields := form(text)
		if action == "" {
			return fmt.Errorf("no form at %s: %.2000s", at, text)
		}
		for field, value := range map[string]string{"user_code": code, "login": "ann", "password": "secret"} {
			if _, asked := fields[field]; asked && fields.Get(field) == "" {
				fields.Set(field, value)
			}
		}
		if _, confirms := fields["confirm"]; confirms && deny {
			fields.Set("abort", "yes")
		}
		next, err2 := at.Parse(action)
		if err2 != nil {
			return err2
		}
		resp, err = browser.PostForm(next.String(), fields)
	}
	return fmt.Errorf("too many pages for the code %s", code)
}

var (
	formTag  = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)".*?</form>`)
	inputTag = regexp.MustCompile(`<input[^>]*>`)
	nameOf   = regexp.MustCompile(`\bname="([^"]*)"`)
	valueOf  = regexp.MustCompile(`\bvalue="([^"]*)"`)
)

// form returns the action and the fields of the first form of a page.
func form(page string) (action string, fields url.Values) {
	found := formTag.FindStringSubmatch(page)
	if found == nil {
		return "", nil
	}
	fields = url.Values{}
	for _, input := range inputTag.FindAllString(found[0], -1) {
		if name := nameOf.FindStringSubmatch(input); name != nil {
			value := ""
			if v := valueOf.FindStringSubmatch(input); v != nil {
				value = html.UnescapeString(v[1])
			}
			fields.Set(name[1], value)
		}
	}
	return html.UnescapeString(found[1]), fields
}
