package chunk

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/clipperhouse/uax29/v2/sentences"
)

// Where mayEndSentence sees no end of a sentence, there is none.
func TestMayEndSentence(t *testing.T) {
	parts := append([]string{"?", "!", "a.b", ".9", "x.", ").", "。", "！", "…", "\x85", "\u0589", "\u2029", "🎉", "\ufe0f"}, seamParts...)
	random := rand.New(rand.NewPCG(3, 4))
	without := 0
	for range 50_000 {
		var b strings.Builder
		for range 1 + random.IntN(6) {
			b.WriteString(parts[random.IntN(len(parts))])
		}
		text := strings.ToValidUTF8(b.String(), "")
		if text == "" || mayEndSentence([]byte(text)) {
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
