package token

import (
	"runtime"
	"strings"
	"sync"
	"testing"
)

// long is many texts of the vectors in one, the same with no place to divide it
// at, and with ill-formed sequences.
func long(t testing.TB) []string {
	var b strings.Builder
	for _, v := range vectors(t)[:12_000] {
		b.WriteString(v.Text)
	}
	text := b.String()
	return []string{text, strings.Map(func(r rune) rune {
		if r == ' ' || r == '\n' {
			return '_'
		}
		return r
	}, text), text[:len(text)/2] + "\xff\xe4\xb8 \n" + text[len(text)/2:]}
}

func TestParallel(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for _, text := range append(long(t), "", "a") {
		for _, e := range encodings {
			if got, want := e.CountParallel(text), e.Count(text); got != want {
				t.Errorf("%s: %d tokens in parallel, %d in one go", e.Name(), got, want)
			}
		}
	}
}

// Every place at which a text is divided is one at which counts add up.
func TestAdditive(t *testing.T) {
	both(t, func(t *testing.T, e *Encoding) {
		for _, text := range []string{
			strings.Repeat("a b\n c\n/d \n\n e\r\n f\u3000 g\xff h\n\u3000i / \n j.\n\n/k\t l' s ", 10),
			long(t)[0][:10_000],
		} {
			for n := 1; n < len(text); n++ {
				cut := additive(text, n)
				if cut < n {
					t.Fatalf("divided at %d, before %d", cut, n)
				}
				a, b := text[:cut], text[cut:min(len(text), cut+100)]
				a = a[max(0, len(a)-100):]
				if e.Count(a)+e.Count(b) != e.Count(a+b) {
					t.Fatalf("%s: %q and %q do not add up", e.Name(), a, b)
				}
				n = cut
			}
		}
	})
}

// One encoding is used by several goroutines, more than have counters to keep.
func TestConcurrent(t *testing.T) {
	all := vectors(t)
	for _, e := range encodings {
		var tasks sync.WaitGroup
		for k := range 2*runtime.GOMAXPROCS(0) + 1 {
			tasks.Go(func() {
				for i := k; i < len(all); i += 20 {
					count, _ := all[i].of(e)
					if got := e.Count(all[i].Text); got != count {
						t.Errorf("line %d: %d tokens, want %d", i+1, got, count)
					}
					if len(all[i].Text) > shortPiece {
						continue // Fit may take a piece in parts
					}
					if length, tokens, full := e.Fit(all[i].Text, count, false); full || length != len(all[i].Text) || tokens != count {
						t.Errorf("line %d: Fit = %d, %d, %v; want %d, %d", i+1, length, tokens, full, len(all[i].Text), count)
					}
				}
			})
		}
		tasks.Wait()
	}
}
