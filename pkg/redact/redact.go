// Package redact makes keys and secrets unreadable in any text on its way out.
//
// It knows the secrets it was told, in the spellings in which they turn up in
// dumps (plain, URL-encoded, base64, JSON-escaped), and the forms of key and
// of credential header that are in use. Every message, log line and error
// text of the commands passes through a Redactor; text for the user's data on
// stdout does not, for it is not ours to change.
package redact

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// Mask stands where a secret stood.
const Mask = "[redacted]"

// A Redactor replaces secrets by Mask. The zero value knows the general forms
// only. It is safe for concurrent use.
type Redactor struct {
	mu      sync.Mutex
	secrets []string
}

// Add makes secret known. Spellings shorter than six bytes are passed over:
// masking them would tear words apart and hide nothing.
func (r *Redactor) Add(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, spelling := range []string{
		secret,
		url.QueryEscape(secret),
		url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.RawURLEncoding.EncodeToString([]byte(secret)),
	} {
		if len(spelling) >= 6 {
			r.secrets = append(r.secrets, spelling, Mask)
		}
	}
}

// The patterns are compiled on first use: most runs print nothing.
var patterns = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		// OpenAI keys of every kind: sk-, sk-proj-, sk-svcacct-, sk-service-, sk-admin-.
		regexp.MustCompile(`\b()sk-(?:(?:proj|svcacct|service|admin)-)?[A-Za-z0-9_-]{20,}`),
		// Credential headers, in dumps and in JSON.
		regexp.MustCompile(`(?i)((?:authorization|api-key|x-api-key)["']?\s*[:=]\s*["']?(?:bearer\s+|basic\s+)?)[^\s"',;]{4,}`),
		regexp.MustCompile(`(?i)(\bbearer\s+)[A-Za-z0-9._~+/=-]{16,}`),
		// The password of a URL.
		regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`),
	}
})

// String returns text without secrets.
func (r *Redactor) String(text string) string {
	r.mu.Lock()
	secrets := r.secrets
	r.mu.Unlock()
	if len(secrets) > 0 {
		text = strings.NewReplacer(secrets...).Replace(text)
	}
	for i, p := range patterns() {
		mask := "${1}" + Mask
		if i == len(patterns())-1 {
			mask += "@"
		}
		text = p.ReplaceAllString(text, mask)
	}
	return text
}
