package token

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/dlclark/regexp2"
)

// The patterns of tiktoken's openai_public.py. Without regard to case, the long s
// is an s in Rust's regular expressions, but not in these.
var patterns = map[string]*regexp2.Regexp{
	O200k: regexp2.MustCompile(`[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'[sſ]|'t|'re|'ve|'m|'ll|'d)?`+
		`|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'[sſ]|'t|'re|'ve|'m|'ll|'d)?`+
		`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`, regexp2.None),
	CL100k: regexp2.MustCompile(`(?i:'[sſ]|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+`+
		`|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`, regexp2.None),
}

// goClass is the class of a code point by package unicode, which has another
// version of Unicode and is what the regular expressions go by.
func goClass(r rune) class {
	switch {
	case r == '\r' || r == '\n':
		return newline
	case unicode.IsSpace(r):
		return space
	case unicode.In(r, unicode.Lu, unicode.Lt):
		return upper
	case unicode.Is(unicode.Ll, r):
		return lower
	case unicode.IsLetter(r):
		return uncased
	case unicode.IsMark(r):
		return mark
	case unicode.IsNumber(r):
		return number
	}
	return other
}

// What the two versions of Unicode have in common is most.
func TestClasses(t *testing.T) {
	differ := 0
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if classOf(r) != goClass(r) {
			differ++
		}
	}
	if differ > 10_000 {
		t.Errorf("%d code points differ", differ)
	}
}

func checkScan(t *testing.T, e *Encoding, text string) {
	t.Helper()
	match, err := patterns[e.Name()].FindStringMatch(text)
	for i := 0; i < len(text); match, err = patterns[e.Name()].FindNextMatch(match) {
		if err != nil || match == nil {
			t.Fatalf("%s %q: no match at %d: %v", e.Name(), text, i, err)
		}
		end := e.next(text, i)
		if got := text[i:end]; got != match.String() {
			t.Fatalf("%s %q: piece %q, want %q", e.Name(), text, got, match.String())
		}
		i = end
	}
}

// Every text of four out of the code points that the patterns tell apart.
func TestScan(t *testing.T) {
	both(t, func(t *testing.T, e *Encoding) {
		kinds := strings.Split("A|a|中|\u0301|1| |\u3000|\n|/|!|'|s|l|ſ", "|")
		for n := range len(kinds) * len(kinds) * len(kinds) * len(kinds) {
			var b strings.Builder
			for k := n; b.Len() == 0 || k > 0; k /= len(kinds) {
				b.WriteString(kinds[k%len(kinds)])
			}
			checkScan(t, e, b.String())
		}
	})
}

func FuzzScan(f *testing.F) {
	f.Add("Hello, World's  end\r\n\r\n  x\t1234 //\n/")
	f.Add("'LL'ſ ǅa\u0301A ʰb HTTPServer中文ABC中")
	f.Add("DON'T don’t 'tis \u00a0\u2028x\u0085")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || len(text) > 2000 {
			t.Skip()
		}
		for _, r := range text {
			if classOf(r) != goClass(r) {
				t.Skip()
			}
		}
		for _, e := range encodings {
			checkScan(t, e, text)
		}
	})
}
