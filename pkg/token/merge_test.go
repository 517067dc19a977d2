package token

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// slowMerge is byte-pair encoding as it is defined.
func slowMerge(ranks map[string]int, piece string) (ids []uint32) {
	var parts []string
	for i := range len(piece) {
		parts = append(parts, piece[i:i+1])
	}
	for {
		best, at := len(ranks), -1
		for i := range len(parts) - 1 {
			if rank, ok := ranks[parts[i]+parts[i+1]]; ok && rank < best {
				best, at = rank, i
			}
		}
		if at < 0 {
			break
		}
		parts[at] += parts[at+1]
		parts = slices.Delete(parts, at+1, at+2)
	}
	for _, part := range parts {
		ids = append(ids, uint32(ranks[part]))
	}
	return ids
}

func checkMerge(t *testing.T, e *Encoding, m *merger, piece string) {
	t.Helper()
	if piece == "" {
		return
	}
	var got []uint32
	for _, p := range m.merge(piece) {
		got = append(got, p.id)
	}
	if want := slowMerge(ranksOf[e.Name()](), piece); !slices.Equal(got, want) {
		t.Fatalf("%s %q: tokens %v, want %v", e.Name(), piece, got, want)
	}
}

// Pieces in which the longest token is often the wrong one: bytes, tokens cut
// off and put together, few letters.
func TestMerge(t *testing.T) {
	both(t, func(t *testing.T, e *Encoding) {
		random := rand.New(rand.NewPCG(1, 2))
		m := &merger{vocabulary: &e.vocabulary}
		tokens := tokensOf(e)
		for range 3000 {
			var b strings.Builder
			for range 1 + random.IntN(6) {
				token := tokens[random.IntN(len(tokens))]
				b.WriteString(token[random.IntN(len(token)):])
			}
			checkMerge(t, e, m, b.String())
		}
		for _, letters := range []string{"ab", "etaoin ", " \n", "\xe4\xb8\xad\xe6\x96\x87", "=-", "01"} {
			for range 200 {
				piece := make([]byte, 1+random.IntN(60))
				for i := range piece {
					piece[i] = letters[random.IntN(len(letters))]
				}
				checkMerge(t, e, m, string(piece))
			}
		}
	})
}

// Long runs, in which the longest token is that of another offset, with something
// else in them or behind them.
func TestMergeRuns(t *testing.T) {
	both(t, func(t *testing.T, e *Encoding) {
		for _, token := range tokensOf(e) {
			if len(token) >= sight {
				t.Fatalf("the token %q has %d bytes", token, len(token))
			}
		}
		random := rand.New(rand.NewPCG(5, 6))
		m := &merger{vocabulary: &e.vocabulary}
		for _, part := range []string{"-", "=", "*", "\t", " ", "a", "=-", "----------=", "中"} {
			for range 6 {
				run := strings.Repeat(part, (sight+random.IntN(3*sight))/len(part))
				at := random.IntN(len(run))
				checkMerge(t, e, m, run)
				checkMerge(t, e, m, run+"=\n")
				checkMerge(t, e, m, run[:at]+"#"+run[at:])
			}
		}
	})
}

func FuzzMerge(f *testing.F) {
	f.Add("hello", 1)
	f.Add("antidisestablishmentarianism", 2)
	f.Add("中文 \n", 30)
	f.Fuzz(func(t *testing.T, piece string, repeat int) {
		if repeat < 1 || len(piece) > 400 || len(piece)*repeat > 400 {
			t.Skip()
		}
		for _, e := range encodings {
			checkMerge(t, e, &merger{vocabulary: &e.vocabulary}, strings.Repeat(piece, repeat))
		}
	})
}
