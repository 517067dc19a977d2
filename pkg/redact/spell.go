package redact

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"strings"
)

// spellings are the forms, but for base64, that a secret takes in texts.
func spellings(secret string) []string {
	query, path := url.QueryEscape(secret), url.PathEscape(secret)
	escaped, goJSON := inJSON.Replace(secret), inGoJSON(secret)
	hexed := hex.EncodeToString([]byte(secret))
	return []string{
		secret,
		query, lowerPercent(query), path, lowerPercent(path),
		escaped, inJSON.Replace(escaped), strings.ReplaceAll(escaped, "/", `\/`),
		goJSON, inGoJSON(goJSON), inNetJSON.Replace(secret),
		strings.ReplaceAll(secret, "'", `'\''`), inShell(secret),
		hexed, strings.ToUpper(hexed),
	}
}

// inBase64 are the characters that a secret alone makes up in base64, wherever
// in a text it begins: with 0, 1 or 2 bytes before it in a group of three.
func inBase64(secret string) []string {
	var all []string
	for before := range 3 {
		text := base64.RawStdEncoding.EncodeToString([]byte("\x00\x00"[:before] + secret))
		if (before+len(secret))%3 != 0 {
			text = text[:len(text)-1] // has bits of what follows
		}
		// The first character that has no bits of what is before.
		text = text[min(len(text), (before*8+5)/6):]
		all = append(all, text, strings.NewReplacer("+", "-", "/", "_").Replace(text))
	}
	return all
}

func isBase64(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("+/-_=", c) >= 0
}

// inJSON escapes no more than has to be, as most do; Go escapes the marks of HTML
// too, and .NET some more.
var (
	inJSON    = strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	inNetJSON = strings.NewReplacer(`\`, `\\`, `"`, `\u0022`, `&`, `\u0026`, `'`, `\u0027`, `+`, `\u002B`, `<`, `\u003C`, `>`, `\u003E`, "`", `\u0060`)
)

func inGoJSON(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		return s
	}
	return string(data[1 : len(data)-1])
}

// inShell has a backslash before whatever a shell would not take as it is.
func inShell(s string) string {
	var out strings.Builder
	for _, r := range s {
		if r < 0x80 && !isBase64(byte(r)) && !strings.ContainsRune("@%:,.", r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
	}
	return out.String()
}

// lowerPercent writes %2F as %2f.
func lowerPercent(escaped string) string {
	out := []byte(escaped)
	for i, c := range out {
		if c == '%' {
			copy(out[i:], bytes.ToLower(out[i:i+len("%2F")]))
		}
	}
	return string(out)
}
