package redact

import (
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
)

func TestKnownSecretInEverySpelling(t *testing.T) {
	const secret = `p+ss/w=rd &key`
	var r Redactor
	r.Add(secret)
	for _, text := range []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)),
	} {
		if got := r.String("before " + text + " after"); got != "before "+Mask+" after" {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestGeneralForms(t *testing.T) {
	tests := []struct{ in, want string }{
		{"Incorrect API key provided: sk-proj-abcdefghijklmnopqrstuvwxyz_0123-456.", "Incorrect API key provided: [redacted]."},
		{"sk-abcdefghijklmnopqrst", "[redacted]"},
		{"sk-svcacct-ABCDEFGHIJKLMNOPQRSTUVWX end", "[redacted] end"},
		{"Authorization: Bearer abc.def.ghi", "Authorization: Bearer [redacted]"},
		{`{"api-key":"0123456789abcdef"}`, `{"api-key":"[redacted]"}`},
		{"http://user:hunter22@proxy:3128/x", "http://user:[redacted]@proxy:3128/x"},
		{"task-force, risk-averse, sk-short", "task-force, risk-averse, sk-short"},
		{"bearer of bad news", "bearer of bad news"},
	}
	for _, test := range tests {
		var r Redactor
		if got := r.String(test.in); got != test.want {
			t.Errorf("%q became %q, want %q", test.in, got, test.want)
		}
	}
}

func TestShortSecretsAreLeft(t *testing.T) {
	var r Redactor
	r.Add("a")
	if got := r.String("a banana"); strings.Contains(got, Mask) {
		t.Errorf("a one-letter secret tore the text apart: %q", got)
	}
}
