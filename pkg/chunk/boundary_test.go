package chunk

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/sentences"
	"github.com/clipperhouse/uax29/v2/words"
)

// sentenceParts end sentences, or nearly do.
var sentenceParts = append([]string{"?", "!", "a.b", ".9", "x.", ").", "...", "?!", ". . ", "。", "！", "…", "\x85", "\u0589", "\u2029", "🎉", "\ufe0f", "ж", "Foo. Bar", "한국"}, seamParts...)

// Where lastTerminator sees none, no sentence ends.
func TestLastTerminator(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	without := 0
	for range 50_000 {
		text := someParts(random, sentenceParts, 6)
		if text == "" || lastTerminator([]byte(text), 0) >= 0 {
			continue
		}
		without++
		if s := sentences.FromString(text); !s.Next() || s.End() != len(text) {
			t.Fatalf("%q: a sentence ends at %d", text, s.End())
		}
	}
	if without < 1_000 {
		t.Errorf("only %d texts without an end", without)
	}
}

// The last boundary is the last of all boundaries, as far as what is around it shows.
func TestLastBoundary(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	found := [ranks]int{}
	for range 20_000 {
		text := []byte(someParts(random, sentenceParts, 60))
		if len(text) < 2 {
			continue
		}
		from := 1 + random.IntN(len(text)-1)
		to := floor(text, from+random.IntN(len(text)-from))
		for r := range ranks {
			want := 0
			boundaries(text[:floor(text, to+lookahead)], r, 0, func(at int) bool {
				if from <= at && at <= to {
					want = at
				}
				return at < to
			})
			got := lastBoundary(text, r, from, to)
			if want > 0 {
				found[r]++
			}
			if got != want {
				t.Fatalf("%q: rank %d: the last boundary in [%d:%d] is %d, want %d", text, r, from, to, got, want)
			}
		}
	}
	for r, n := range found {
		if n < 1_000 {
			t.Errorf("only %d boundaries of rank %d", n, r)
		}
	}
}

func TestASCIIWords(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for range 100_000 {
		text := make([]byte, 1+random.IntN(12))
		for i := range text {
			text[i] = byte(random.IntN(utf8.RuneSelf))
			if random.IntN(2) == 0 {
				text[i] = "aZ09_.':,; \r\n\t-"[random.IntN(15)]
			}
		}
		want, got := words.FromBytes(text), asciiWords{text: text}
		for want.Next() {
			if !got.Next() || got.End() != want.End() {
				t.Fatalf("%q: a word ends at %d, want %d", text, got.End(), want.End())
			}
		}
		if got.Next() {
			t.Fatalf("%q: more words than there are", text)
		}
	}
}

func someParts(random *rand.Rand, parts []string, most int) string {
	var b strings.Builder
	for range 1 + random.IntN(most) {
		b.WriteString(parts[random.IntN(len(parts))])
	}
	return strings.ToValidUTF8(b.String(), "")
}
