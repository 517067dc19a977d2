package token

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// checkFit holds Fit against Count, and against itself when the text arrives in
// parts of step bytes.
func checkFit(t *testing.T, e *Encoding, text string, n, step int) {
	total, long := e.Count(text), false
	for i := 0; i < len(text); {
		end := e.next(text, i)
		long = long || end-i > shortPiece
		i = end
	}
	length, tokens, full := e.Fit(text, n, false)
	switch {
	case full != (n < total) && !long:
		t.Fatalf("%s %q: Fit(%d) full is %v of %d tokens", e.Name(), text, n, full, total)
	case !full && (length != len(text) || tokens != total && !long):
		t.Fatalf("%s %q: Fit(%d) = %d, %d of %d tokens", e.Name(), text, n, length, tokens, total)
	case length < len(text) && !utf8.RuneStart(text[length]):
		t.Fatalf("%s %q: Fit(%d) = %d, within a code point", e.Name(), text, n, length)
	}

	pos, left, got := 0, n, false
	for seen := 0; !got && seen <= len(text); seen++ {
		seen = min(len(text), seen+step-1)
		for seen < len(text) && !utf8.RuneStart(text[seen]) {
			seen++
		}
		var l, k int
		l, k, got = e.Fit(text[pos:seen], left, seen < len(text))
		pos, left = pos+l, left-k
	}
	if pos != length || got != full {
		t.Fatalf("%s %q: Fit(%d) = %d, %v in parts of %d, %d, %v at once", e.Name(), text, n, pos, got, step, length, full)
	}
}

func TestFit(t *testing.T) {
	for _, name := range []string{O200k, CL100k} {
		e := encoding(t, name)
		for i, v := range vectors(t) {
			if i%100 != 0 {
				continue
			}
			total := e.Count(v.Text)
			for _, n := range []int{0, 1, 2, max(0, total-1), total, total + 1} {
				checkFit(t, e, v.Text, n, 1)
			}
		}
		for _, text := range []string{
			"a\n" + strings.Repeat(" ", 3000) + "\n" + strings.Repeat(" ", 3000) + "x",
			strings.Repeat("a", 3000) + " " + strings.Repeat("b", 3000),
			strings.Repeat("=\n", 500) + strings.Repeat("\n", 3000) + "/" + strings.Repeat("中文", 1000),
		} {
			for _, n := range []int{1, 2, 5, 20, 100, 400} {
				checkFit(t, e, text, n, 7)
			}
		}
	}
}

func FuzzFit(f *testing.F) {
	f.Add("Hello world", 300, 2, 1)
	f.Add(" \n", 200, 3, 5)
	f.Add("don't x/\n\n/ 'll\u00a0", 40, 30, 3)
	f.Fuzz(func(t *testing.T, text string, repeat, n, step int) {
		if !utf8.ValidString(text) || repeat < 1 || repeat > 1000 || n < 0 || step < 1 {
			t.Skip()
		}
		text = strings.Repeat(text, repeat)
		if len(text) > 10_000 {
			t.Skip()
		}
		checkFit(t, encoding(t, O200k), text, n, max(step, len(text)/100))
		checkFit(t, encoding(t, CL100k), text, n, max(step, len(text)/100))
	})
}
