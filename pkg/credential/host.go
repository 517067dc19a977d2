package credential

import (
	"fmt"
	"net/url"
	"strings"

	"gptpipe/pkg/wire"
)

// plain begins what a key for plain http is bound to.
const plain = "http://"

// A URLError is a base URL that names no host, or a socket in a way that may
// lead elsewhere. It does not repeat the URL,
// which may hold a password.
type URLError struct{ Why string }

func (e *URLError) Error() string { return "base URL: " + e.Why }

// HostOf is what a key for baseURL is bound to: its host in lower case, with
// the port unless that is the scheme's own, and with "http://" before it where
// the scheme is that; or "unix" and the path of a socket. So http://h:8443 does
// not get the key of https://h:8443. The error is a *URLError.
func HostOf(baseURL string) (string, error) {
	u, err := url.Parse(baseURL)
	if err != nil {
		return "", &URLError{"not a URL"}
	}
	switch u.Scheme {
	case "unix":
		socket, err := wire.SocketPath(u)
		if err != nil {
			return "", &URLError{err.Error()}
		}
		return "unix" + socket, nil
	case "https", "http":
	default:
		return "", &URLError{"it begins with none of https://, http:// and unix://"}
	}
	if u.Hostname() == "" {
		return "", &URLError{fmt.Sprintf("no host after %s://", u.Scheme)}
	}
	host := strings.TrimSuffix(strings.ToLower(u.Host), ":")
	if u.Scheme == "http" {
		return plain + strings.TrimSuffix(host, ":80"), nil
	}
	return strings.TrimSuffix(host, ":443"), nil
}
