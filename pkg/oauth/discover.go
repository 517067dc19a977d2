package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// An IssuerError is a server whose metadata are another's.
type IssuerError struct{ Wanted, Got string }

func (e *IssuerError) Error() string {
	return fmt.Sprintf("the metadata of %s are for the issuer %.200q", e.Wanted, e.Got)
}

// metadata are a server's own, as far as they are used (RFC 8414, section 2,
// and RFC 8628, section 4).
type metadata struct {
	Issuer    string `json:"issuer"`
	TokenURL  string `json:"token_endpoint"`
	DeviceURL string `json:"device_authorization_endpoint"`
	RevokeURL string `json:"revocation_endpoint"`
}

// Discover asks an issuer for its URLs: as OpenID Connect Discovery 1.0 has
// it, and if there is nothing, as RFC 8414 has it. The caller adds the client.
func Discover(ctx context.Context, issuer string) (Provider, error) {
	if err := checkURL("issuer", issuer); err != nil {
		return Provider{}, err
	}
	issuer = strings.TrimRight(issuer, "/")
	u, err := url.Parse(issuer)
	if err != nil || u.RawQuery != "" {
		return Provider{}, &URLError{"issuer", "no query can stand there"}
	}
	root := u.Scheme + "://" + u.Host
	m, err := fetch(ctx, issuer+"/.well-known/openid-configuration")
	var refusal *Error
	if errors.As(err, &refusal) || errors.Is(err, errBadAnswer) {
		var second error
		if m, second = fetch(ctx, root+"/.well-known/oauth-authorization-server"+u.EscapedPath()); second == nil {
			err = nil
		}
	}
	switch {
	case err != nil:
		return Provider{}, err
	case !sameIssuer(issuer, m.Issuer):
		return Provider{}, &IssuerError{issuer, m.Issuer}
	}
	p := Provider{TokenURL: m.TokenURL, DeviceURL: m.DeviceURL, RevokeURL: m.RevokeURL}
	return p, p.check()
}

func fetch(ctx context.Context, address string) (metadata, error) {
	var m metadata
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return m, &URLError{"issuer", "not a URL"}
	}
	req.Header.Set("Accept", "application/json")
	resp, err := (&carrier{ctx: ctx}).client().Do(req)
	switch {
	case err != nil:
		return m, plain(ctx, err)
	case resp.StatusCode != http.StatusOK:
		return m, newError(resp.StatusCode, "", "there are no metadata of an OAuth 2.0 server at "+address)
	case json.NewDecoder(resp.Body).Decode(&m) != nil:
		return m, errBadAnswer
	}
	return m, nil
}

// Microsoft's Entra ID breaks the rule that an issuer's metadata have its own
// name: asked for "common" or "organizations" it answers with a placeholder,
// and asked for a tenant by its domain, with the tenant's number.
// https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
var (
	tenantNumber = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	entraHosts   = map[string]bool{
		"login.microsoftonline.com": true, "login.microsoftonline.us": true,
		"login.partner.microsoftonline.cn": true, "login.chinacloudapi.cn": true,
	}
)

const tenantPlaceholder = "{tenantid}"

// sameIssuer compares as RFC 8414 has it in section 3.3, but for a slash at the
// end, and for the first step of the path where that is a tenant of Entra ID.
func sameIssuer(asked, got string) bool {
	got = strings.TrimRight(got, "/")
	if asked == got {
		return true
	}
	a, b := strings.Split(asked, "/"), strings.Split(got, "/")
	const tenant = 3 // behind "https:", "" and the host
	if len(a) != len(b) || len(a) <= tenant {
		return false
	}
	if b[tenant] == tenantPlaceholder || entraHosts[a[2]] && tenantNumber.MatchString(b[tenant]) && !tenantNumber.MatchString(a[tenant]) {
		b[tenant] = a[tenant]
	}
	return asked == strings.Join(b, "/")
}
