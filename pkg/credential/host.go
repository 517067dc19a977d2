package credential

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

// A URLError is a base URL that names no host. It does not repeat the URL,
// which may hold a password.
type URLError struct{ Why string }

func (e *URLError) Error() string { return "base URL: " + e.Why }

// HostOf is what a key for baseURL is bound to: its host in lower case, with
// the port unless that is the one of https (443), or "unix" and the path of a
// socket. So http://host, which is host:80, does not get the key of
// https://host. The error is a *URLError.
func HostOf(baseURL string) (string, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return "", &URLError{"not a URL"}
	}
	switch u.Scheme {
	case "unix":
		if u.Host != "" || !path.IsAbs(u.Path) {
			return "", &URLError{"unix needs an absolute path, as in unix:///run/model.sock"}
		}
		return "unix" + path.Clean(u.Path), nil
	case "https", "http":
	default:
		return "", &URLError{"it begins with none of https://, http:// and unix://"}
	}
	if u.Hostname() == "" {
		return "", &URLError{fmt.Sprintf("no host after %s://", u.Scheme)}
	}
	host := strings.TrimSuffix(strings.ToLower(u.Host), ":")
	switch {
	case u.Scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case u.Port() == "":
		host += ":80"
	}
	return host, nil
}
