package chunk

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"gptpipe/pkg/token"
)

// seamParts is what texts are made of on which seams are tried: of each kind that
// the expressions of the encodings tell apart, and their near misses.
var seamParts = strings.Split("a|B|s|re|LL|é|ſ|1|23|中|国|か|カ|。|，|：|.|,|/|//|-|=|\"|(|}|$|'|’|_| |  |\t|\n|\r|\r\n|\n\n| \n|\v|\f|\u0085|\u00a0|\u3000|\u2028|\u180e|\u0301|\u200d|😀|🇩|\u0e33|ǅ|ʰ|ª|Ⅷ|\x00|\u007f", "|")

func encodings(t testing.TB) (all []*token.Encoding) {
	for _, name := range []string{token.O200k, token.CL100k} {
		e, err := token.For(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// checkSeams counts the parts of text at each seam, with what went before and
// with the last bytes of that alone.
func checkSeams(t testing.TB, e *token.Encoding, text string) (seams int) {
	t.Helper()
	all := e.Count(text)
	for i := 1; i < len(text); i++ {
		if !utf8.RuneStart(text[i]) || seam([]byte(text), i, true) != yes {
			continue
		}
		seams++
		if a, b := e.Count(text[:i]), e.Count(text[i:]); a+b != all {
			t.Fatalf("%s: %q is %d tokens, but %q is %d and %q %d", e.Name(), text, all, text[:i], a, text[i:], b)
		}
		_, n := utf8.DecodeLastRuneInString(text[:i])
		if a, b, both := e.Count(text[i-n:i]), e.Count(text[i:]), e.Count(text[i-n:]); a+b != both {
			t.Fatalf("%s: %q is %d tokens, but %q is %d and the rest %d", e.Name(), text[i-n:], both, text[i-n:i], a, b)
		}
	}
	return seams
}

func TestSeams(t *testing.T) {
	texts := 100_000
	if testing.Short() {
		texts = 5_000
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, e := range encodings(t) {
		seams := 0
		for range texts {
			var text strings.Builder
			for range 2 + random.IntN(8) {
				text.WriteString(seamParts[random.IntN(len(seamParts))])
			}
			seams += checkSeams(t, e, text.String())
		}
		if seams < texts/2 {
			t.Errorf("%s: only %d seams in %d texts", e.Name(), seams, texts)
		}
	}
}

// A seam that waits for more text is decided the same with all of it.
func TestSeamWaits(t *testing.T) {
	text := []byte("a\n  \t b\n \n\n" + strings.Repeat(" ", 2*seamless) + "x\n/y\n \u00a0\n")
	for i := 1; i < len(text); i++ {
		want := seam(text, i, true)
		for n := i + 1; n < len(text); n++ {
			if got := seam(text[:n], i, false); utf8.Valid(text[:n]) && got != want && got != wait {
				t.Errorf("at %d of %q: %d, with the rest %d", i, text[:n], got, want)
			}
		}
	}
}

func FuzzSeam(f *testing.F) {
	for _, s := range fuzzSeeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || len(text) > 500 {
			t.Skip()
		}
		for _, e := range encodings(t) {
			checkSeams(t, e, text)
		}
	})
}
