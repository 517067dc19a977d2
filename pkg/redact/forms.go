package redact

import (
	"regexp"
	"sync"
)

// forms are compiled on first use: most runs print nothing. The groups of each
// stay, and what is between them becomes Mask.
var forms = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		// OpenAI keys of every kind (sk-, sk-proj-, sk-svcacct-, sk-service-,
		// sk-admin-), and those of others who speak its API.
		regexp.MustCompile(`\b()(?:sk|gsk|xai|pplx|sess)[-_][A-Za-z0-9_-]{20,}`),
		regexp.MustCompile(`\b()(?:hf_[A-Za-z0-9]{30,}|AIza[A-Za-z0-9_-]{35})`),
		// JSON Web Tokens, as of OAuth 2.0.
		regexp.MustCompile(`\b()eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`),
		// Credential headers and fields, in dumps, JSON and forms.
		regexp.MustCompile(`(?i)((?:authorization|api[-_]?key|client_secret|(?:access|refresh|id)_token)\\*["']?\s*[:=]\s*` +
			`(?:\[\]string\{|\[|\\*["'])*(?:(?:bearer|basic|token|digest|negotiate)\s+)?)[^\s"',;&\]\[\\]{4,}`),
		regexp.MustCompile(`(?i)(\bbearer\s+)[A-Za-z0-9._~+/=-]{16,}`),
		// The password of a URL, or a token in place of the user.
		regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+(@)`),
		regexp.MustCompile(`(://)[^/\s:@]{20,}(@)`),
	}
})

// general is text without what has the form of a secret.
func general(text string) string {
	for _, form := range forms() {
		text = form.ReplaceAllString(text, "${1}"+Mask+"${2}")
	}
	return text
}
