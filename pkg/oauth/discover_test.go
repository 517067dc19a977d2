package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
)

func TestSameIssuer(t *testing.T) {
	const tenant = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	tests := []struct {
		asked, got string
		want       bool
	}{
		{"https://id.example", "https://id.example", true},
		{"https://id.example", "https://id.example/", true},
		{"https://id.example/a", "https://id.example/a", true},
		{"https://id.example/a", "https://id.example/b", false},
		{"https://id.example/a", "https://id.example", false},
		{"https://id.example", "https://evil.example", false},
		{"https://id.example", "http://id.example", false},
		{"https://id.example/" + "a/v2.0", "https://id.example/" + tenant + "/v2.0", false},
		{"https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", true},
		{"https://login.microsoftonline.com/organizations/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", true},
		{"https://login.microsoftonline.com/contoso.onmicrosoft.com/v2.0", "https://login.microsoftonline.com/" + tenant + "/v2.0", true},
		{"https://login.microsoftonline.com/" + tenant + "/v2.0", "https://login.microsoftonline.com/" + tenant + "/v2.0", true},
		{"https://login.microsoftonline.com/" + tenant + "/v2.0", "https://login.microsoftonline.com/00000000-86f1-41af-91ab-2d7cd011db47/v2.0", false},
		{"https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/{tenantid}/v1.0", false},
		{"https://login.microsoftonline.com/common/v2.0", "https://evil.example/{tenantid}/v2.0", false},
		{"https://login.microsoftonline.com.evil.example/contoso.com/v2.0", "https://login.microsoftonline.com.evil.example/" + tenant + "/v2.0", false},
	}
	for _, test := range tests {
		if got := sameIssuer(test.asked, test.got); got != test.want {
			t.Errorf("%s, %s: %v", test.asked, test.got, got)
		}
	}
}

func TestDiscover(t *testing.T) {
	const metadata = `{"issuer":"http://%s%s","token_endpoint":"http://%[1]s/token","device_authorization_endpoint":"http://%[1]s/device"}`
	tests := []struct {
		name, issuer, path, body string
		issuerErr, urlErr        bool
		ok                       bool
	}{
		{"OpenID Connect", "/tenant", "/tenant/.well-known/openid-configuration", metadata, false, false, true},
		{"slash at the end", "/tenant/", "/tenant/.well-known/openid-configuration", metadata, false, false, true},
		{"RFC 8414", "/tenant", "/.well-known/oauth-authorization-server/tenant", metadata, false, false, true},
		{"another's", "/tenant", "/tenant/.well-known/openid-configuration", `{"issuer":"https://evil.example","token_endpoint":"http://%s/%s"}`, true, false, false},
		{"plain http", "/tenant", "/tenant/.well-known/openid-configuration", `{"issuer":"http://%s%s","token_endpoint":"http://id.example/"}`, false, true, false},
		{"no token endpoint", "/tenant", "/tenant/.well-known/openid-configuration", `{"issuer":"http://%s%s"}`, false, true, false},
		{"not JSON", "/tenant", "/tenant/.well-known/openid-configuration", `<html>%s%s`, false, false, false},
		{"nothing", "/tenant", "/x", ``, false, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var host string
			p := handle(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != test.path {
					http.NotFound(w, r)
					return
				}
				fmt.Fprintf(w, test.body, r.Host, "/tenant")
				host = r.Host
			})
			got, err := Discover(t.Context(), p.TokenURL[:len(p.TokenURL)-len("/token")]+test.issuer)
			var issuer *IssuerError
			var bad *URLError
			if (err == nil) != test.ok || errors.As(err, &issuer) != test.issuerErr || errors.As(err, &bad) != test.urlErr {
				t.Errorf("got %v", err)
			}
			if test.ok && (got.TokenURL != "http://"+host+"/token" || got.DeviceURL != "http://"+host+"/device") {
				t.Errorf("got %+v", got)
			}
		})
	}
}
