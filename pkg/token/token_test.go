package token

import (
	"errors"
	"strings"
	"testing"
)

func encoding(t testing.TB, name string) *Encoding {
	e, err := For(name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// runs are texts that make one long piece when they are repeated.
var runs = []string{"a", " ", "\n", "=", "-", "\t", "中", "😀", "0", "aB+/", "\n "}

// The cost of a run without boundary must not grow with its square, and its
// count must still be what the merge says: a run of n letters a is n/8 tokens.
func TestLongRun(t *testing.T) {
	e := encoding(t, O200k)
	run := strings.Repeat("a", 1<<20)
	if got := e.Count(run); got != 1<<17 {
		t.Errorf("1 MiB of a: %d tokens, want %d", got, 1<<17)
	}
	for _, s := range runs {
		run := strings.Repeat(s, 200_000)
		length, _, full := e.Fit(run, 1000, true)
		if !full {
			t.Errorf("%d bytes of %q do not fill 1000 tokens: %d", len(run), s, length)
		}
		if got := e.Count(run[:length]); got > 1010 {
			t.Errorf("Fit takes %d bytes of %q for 1000 tokens, they are %d", length, s, got)
		}
	}
}

func TestInvalid(t *testing.T) {
	for text, want := range map[string]string{
		"a\xffb":                        "a\ufffdb",
		"\xff\xfe":                      "\ufffd\ufffd",
		"\xe4\xb8":                      "\ufffd",
		"\xe4\xb8x":                     "\ufffdx",
		"\xf0\x9f\x98":                  "\ufffd",
		"\xf0\x9f\x98\x80":              "\U0001F600",
		"\xed\xa0\x80":                  "\ufffd\ufffd\ufffd", // a surrogate
		"\xc0\xaf":                      "\ufffd\ufffd",       // overlong
		"\xf4\x90\x80\x80":              "\ufffd\ufffd\ufffd\ufffd",
		"\xf1\x80\x80\xe1\x80\xc2.\x80": "\ufffd\ufffd\ufffd.\ufffd",
		"\ufffd":                        "\ufffd",
	} {
		if got := ToValid(text); got != want {
			t.Errorf("%x: %q, want %q", text, got, want)
		}
		e := encoding(t, O200k)
		if e.Count(text) != e.Count(want) {
			t.Errorf("%x: %d tokens, want %d", text, e.Count(text), e.Count(want))
		}
	}
}

func TestSpecialTokensAreText(t *testing.T) {
	if n := encoding(t, CL100k).Count("<|endoftext|>"); n != 7 {
		t.Errorf("<|endoftext|> is %d tokens, want 7", n)
	}
}

func TestForModel(t *testing.T) {
	for model, want := range map[string]string{
		"gpt-4o": O200k, "gpt-4o-mini-2024-07-18": O200k, "gpt-4.1-nano": O200k, "gpt-5.1": O200k, "o3": O200k, "o1-preview": O200k,
		"openai/gpt-oss-120b": O200k, "ft:gpt-4o:acme:x:1": O200k, "chatgpt-4o-latest": O200k,
		"gpt-4": CL100k, "gpt-4-turbo": CL100k, "gpt-4-32k": CL100k, "gpt-3.5-turbo": CL100k, "ft:gpt-3.5-turbo:acme": CL100k, "text-embedding-3-small": CL100k,
	} {
		if got, known := ForModel(model); got != want || !known {
			t.Errorf("%s: %s, %v; want %s", model, got, known, want)
		}
	}
	for _, model := range []string{"", "llama3", "o10", "gpt-42", "text-davinci-003"} {
		if got, known := ForModel(model); got != O200k || known {
			t.Errorf("%q: %s, %v", model, got, known)
		}
	}
}

func TestUnknown(t *testing.T) {
	_, err := For("p50k_base")
	var unknown UnknownEncodingError
	if !errors.As(err, &unknown) {
		t.Errorf("error is %v", err)
	}
}
