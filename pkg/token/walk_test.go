package token

import "testing"

func TestWalk(t *testing.T) {
	for _, name := range []string{O200k, CL100k} {
		e := encoding(t, name)
		for i, v := range vectors(t) {
			text := ToValid(v.Text)
			step, begin, sum := i%40, 0, 0 // what has been counted up to begin
			tokens, next := 0, 0
			e.Walk([]byte(text), func(end, n int) int {
				for begin < end {
					piece := e.next(text, begin)
					sum += e.Count(text[begin:piece])
					begin = piece
					if begin >= next && begin < end {
						t.Fatalf("%s %q: no visit at %d, asked for from %d on", name, text, begin, next)
					}
				}
				if end != begin || end < next || n != sum {
					t.Fatalf("%s %q: visit at %d with %d tokens, want %d with %d, from %d on", name, text, end, n, begin, sum, next)
				}
				tokens, next = n, end+step
				return next
			})
			if begin == len(text) && tokens != e.Count(text) {
				t.Fatalf("%s %q: %d tokens, want %d", name, text, tokens, e.Count(text))
			}
		}
		visits := 0
		e.Walk([]byte("one two three"), func(int, int) int { visits++; return 1 - visits })
		if visits != 2 {
			t.Errorf("%s: %d visits, was to stop at the second", name, visits)
		}
	}
}
