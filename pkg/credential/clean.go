package credential

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxKey is how many bytes a key may have. OpenAI's have under 200; an access
// token of a gateway can have some thousands.
const maxKey = 4096

// An InvalidError says why a text is no key, without repeating it.
type InvalidError struct{ Why string }

func (e *InvalidError) Error() string { return "not a key: " + e.Why }

// Clean is text as a key: without the newline at its end, and refused with an
// *InvalidError if it is obviously something else. A key travels in a header,
// so it is printable ASCII.
func Clean(text string) (string, error) {
	key := strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	why := ""
	switch {
	case key == "":
		why = "it is empty"
	case len(key) > maxKey:
		why = fmt.Sprintf("it is longer than %d bytes", maxKey)
	case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		why = "it has white space or control characters inside"
	case strings.ContainsFunc(key, func(r rune) bool { return r > 0x7f }):
		why = "it has characters outside ASCII"
	case strings.Contains(key, "://"):
		why = "it looks like a URL"
	case looksLikePath(key):
		why = "it looks like the path of a file"
	case strings.ContainsRune(`"'`, rune(key[0])) && key[0] == key[len(key)-1]:
		why = "it stands in quotes"
	case looksLikeVariable(key):
		why = "it looks like a variable that is set, not like its value alone"
	}
	if why != "" {
		return "", &InvalidError{why}
	}
	return key, nil
}

// looksLikeVariable knows a line of a file of variables, OPENAI_API_KEY=sk-….
func looksLikeVariable(s string) bool {
	name, value, _ := strings.Cut(s, "=")
	return strings.HasSuffix(name, "_KEY") && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" && value != ""
}

// IsPlaceholder reports whether s stands in place of a key, as <your-api-key>
// and YOUR_API_KEY do in instructions. Servers that want none may be given one.
func IsPlaceholder(s string) bool {
	if strings.HasPrefix(s, "<") && strings.HasSuffix(s, ">") {
		return true
	}
	s = strings.ReplaceAll(strings.ToLower(s), "-", "_")
	return strings.HasPrefix(s, "your_") && strings.Contains(s, "key")
}

// looksLikePath knows the usual beginnings alone: a key in base64 may begin
// with a slash.
func looksLikePath(s string) bool {
	for _, prefix := range []string{"~/", "./", "../", "/home/", "/root/", "/etc/", "/run/", "/tmp/", "/var/"} {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// A ProfileError is a name that no profile can have.
type ProfileError struct{ Name string }

// Error does not repeat what is so long that it may be a key in the wrong place.
func (e *ProfileError) Error() string {
	name := strconv.Quote(e.Name)
	if n := utf8.RuneCountInString(e.Name); n > 20 {
		name = fmt.Sprintf("(a value of %d characters)", n)
	}
	return fmt.Sprintf("profile %s: a name has letters, digits, '.', '_' and '-', does not begin with '.', and is at most %d long", name, maxProfile)
}

// maxProfile keeps the name of a file, and of the one it is renamed from,
// within what file systems take (255 bytes).
const maxProfile = 200

// CheckProfile answers a *ProfileError for a name that no profile can have:
// names become those of files.
func CheckProfile(name string) error {
	allowed := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r)
	}
	if name == "" || name[0] == '.' || len(name) > maxProfile ||
		strings.ContainsFunc(name, func(r rune) bool { return !allowed(r) }) {
		return &ProfileError{name}
	}
	return nil
}
