package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
)

const secret = `p+ss/w=rd'&"key\<9~x`

func TestKnownSecretInEverySpelling(t *testing.T) {
	asJSON, _ := json.Marshal(secret)
	twice, _ := json.Marshal(string(asJSON))
	var r Redactor
	r.Add(secret)
	for _, text := range []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), "p%2bss%2fw%3drd%27%26%22key%5c%3c9~x",
		string(asJSON[1 : len(asJSON)-1]), string(twice[3 : len(twice)-3]),
		`p+ss/w=rd'&\"key\\<9~x`, `p+ss/w=rd'&\\\"key\\\\<9~x`, `p+ss\/w=rd'&\"key\\<9~x`, // as Python, JavaScript and PHP
		`p\u002Bss/w=rd\u0027\u0026\u0022key\\\u003C9~x`, // as .NET
		`p+ss/w=rd'\''&"key\<9~x`, `p+ss/w=rd\'\&\"key\\\<9\~x`,
		fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret),
	} {
		if got := r.String("before " + text + " after"); got != "before "+Mask+" after" {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestKnownSecretWithinBase64(t *testing.T) {
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding} {
		for n := range 5 {
			for _, after := range []string{"", "z", "zz", "zzz"} {
				for _, value := range []string{secret, "tenletters"} {
					var r Redactor
					r.Add(value)
					text := encoding.EncodeToString([]byte("Bearer"[:n] + value + after))
					if got := r.String("header: " + text + " end"); got != "header: "+Mask+" end" {
						t.Errorf("%d bytes before, %q after: %s became %q", n, after, text, got)
					}
				}
			}
		}
	}
}

// A message may have been cut in the middle of the key.
func TestPartOfAKnownSecret(t *testing.T) {
	var r Redactor
	r.Add("k/abcdefghijklmnopqrstuvw")
	for _, part := range []string{"k/abcdefghij", "lmnopqrstuvw", "fghijklmnopqrs"} {
		if got := r.String("cut: " + part + " …"); got != "cut: [redacted] …" {
			t.Errorf("%q became %q", part, got)
		}
	}
	for _, key := range []string{"k/abcdefghijklmnopqrstuvw", "k/abcdefghi", "k/abcdefg", "k/abcd"} {
		var r Redactor
		r.Add(key)
		for before := range 12 {
			for from := range len(key) - min(len(key), window) + 1 {
				text := "kakakakakakaka"[:before] + " " + key[from:from+min(len(key), window)] + "-kakakaka"
				if got, want := r.String(text), "kakakakakakaka"[:before]+" [redacted]-kakakaka"; got != want {
					t.Errorf("%q became %q", text, got)
				}
				if got := r.Known(text); (got == text) != (len(key) < window) {
					t.Errorf("as data, %q became %q", text, got)
				}
			}
		}
	}
	if text := "fghijklmno and uvw"; r.String(text) != text {
		t.Errorf("became %q", r.String(text))
	}
}

func TestLongSecret(t *testing.T) {
	var token strings.Builder
	for i := range 700 {
		fmt.Fprintf(&token, "%x.%d_", i*i, i)
	}
	for cut := range window {
		secret := token.String()[cut:]
		var r Redactor
		r.Add(secret)
		for _, text := range []string{secret, fmt.Sprintf("%x", secret), base64.StdEncoding.EncodeToString([]byte("x" + secret))} {
			if got := r.String("is " + text + " here"); got != "is "+Mask+" here" {
				t.Errorf("%d bytes became %.100q", len(text), got)
			}
		}
		if got := r.String(secret[:len(secret)/2]); len(got) >= len(Mask)+window {
			t.Errorf("the first half became %q", got)
		}
	}
}

func BenchmarkAdd(b *testing.B) {
	token := strings.Repeat("0123456789abcdef", 512)
	for b.Loop() {
		new(Redactor).Add(token)
	}
}

func BenchmarkString(b *testing.B) {
	var r Redactor
	r.Add("sk-proj-Hq29Vt_Lw3-Vb7Nm5Kd8Xr2Hs6Jf4GpQ0Zu")
	line := strings.Repeat("attempt 1 failed: rate_limit: too many requests; ", 4)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		r.String(line)
	}
}

// It is done with what comes with every answer.
func BenchmarkKnown(b *testing.B) {
	var r Redactor
	r.Add("sk-proj-Hq29Vt_Lw3-Vb7Nm5Kd8Xr2Hs6Jf4GpQ0Zu")
	usage := []byte(`{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0}}`)
	once := func() {
		if r.Known("req_0123456789abcdef0123456789abcdef")[0] != 'r' || r.Has(usage) {
			b.Error("found")
		}
	}
	if n := testing.AllocsPerRun(100, once); n != 0 {
		b.Errorf("%v allocations", n)
	}
	for b.Loop() {
		once()
	}
}

func TestManySecrets(t *testing.T) {
	var r Redactor
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			r.Add(fmt.Sprintf("secret/number/%d", i))
			r.String("meanwhile")
		})
	}
	group.Wait()
	if got := r.String("secret/number/7 secret/number/19"); got != Mask+" "+Mask {
		t.Error(got)
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
		{"https://ghp_0123456789abcdefghij@example.com/", "https://[redacted]@example.com/"},
		{"map[Authorization:[Bearer short] Accept:[*/*]]", "map[Authorization:[Bearer [redacted]] Accept:[*/*]]"},
		{`Proxy-Authorization: Basic dXNlcjpwYXNz`, `Proxy-Authorization: Basic [redacted]`},
		{`http.Header{"Api-Key":[]string{"0123456789abcdef"}}`, `http.Header{"Api-Key":[]string{"[redacted]"}}`},
		{`sent "{\"api_key\":\"0123456789\"}"`, `sent "{\"api_key\":\"[redacted]\"}"`},
		{"api_key=0123456789&x=1", "api_key=[redacted]&x=1"},
		{`{"access_token": "abcdefgh", "expires_in": 3600}`, `{"access_token": "[redacted]", "expires_in": 3600}`},
		{"client_secret=hunter22&grant_type=x", "client_secret=[redacted]&grant_type=x"},
		{"a token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl here", "a token [redacted] here"},
		{"gsk_0123456789abcdefghijABCD", "[redacted]"},
		{"max_tokens: 5000, api: chat", "max_tokens: 5000, api: chat"},
		{"https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1/chat/completions"},
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
