package token

import (
	"math"
	"math/rand/v2"
	"runtime"
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
	for _, p := range m.divide(piece) {
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

// Most pieces are divided in bounded memory: what comes out is the same, or
// nothing because the merge would have to go back too far.
func TestMergeWindow(t *testing.T) {
	both(t, func(t *testing.T, e *Encoding) {
		random := rand.New(rand.NewPCG(9, 10))
		tokens := tokensOf(e)
		m := &merger{vocabulary: &e.vocabulary}
		given := map[int]int{} // windows: how often the merge was given up
		for i := range 60 {
			var b strings.Builder
			for n := random.IntN(1000); n >= 0; n-- {
				token := tokens[random.IntN(len(tokens))]
				b.WriteString(strings.Repeat(token[random.IntN(len(token)):], 1+random.IntN(1+i%50)))
			}
			piece := b.String()
			want := slices.Clone(m.divide(piece))
			for _, window := range []int{512, 1024, 4096} {
				n, ok := m.merge(piece, window)
				if !ok {
					given[window]++
				} else if kept := min(n, window); n != len(want) || !slices.Equal(m.parts[len(m.parts)-kept:], want[n-kept:]) {
					t.Fatalf("%s %q: %d tokens with a window of %d, want %d", e.Name(), piece, n, window, len(want))
				}
			}
			if got := m.tokens(piece); got != len(want) {
				t.Fatalf("%s %q: %d tokens, want %d", e.Name(), piece, got, len(want))
			}
		}
		if given[512] == 0 || given[4096] > 0 {
			t.Errorf("%s: given up by window: %v", e.Name(), given)
		}
	})
}

// A piece without end takes no memory that grows with it.
func TestMergeMemory(t *testing.T) {
	random := rand.New(rand.NewPCG(11, 12))
	letters := make([]byte, 4<<20)
	for i := range letters {
		letters[i] = 'a' + byte(random.IntN(26))
	}
	for _, e := range encodings {
		for _, piece := range []string{string(letters), strings.Repeat("-", len(letters)), strings.Repeat("中", len(letters)/3)} {
			const bound = 1 << 18
			used := uint64(math.MaxUint64)
			for try := 0; try < 3 && used > bound; try++ { // the process takes a little by itself now and then
				m := &merger{vocabulary: &e.vocabulary}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				m.tokens(piece)
				runtime.ReadMemStats(&after)
				used = min(used, after.TotalAlloc-before.TotalAlloc)
			}
			if used > bound {
				t.Errorf("%s: %d bytes for a piece of %.20q…", e.Name(), used, piece)
			}
		}
	}
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
