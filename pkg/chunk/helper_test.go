package chunk

import (
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"

	"gptpipe/pkg/token"
)

func o200k(t testing.TB) *token.Encoding {
	e, err := token.For(token.O200k)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// split returns all chunks of in and the error that ended them, nil for io.EOF.
func split(t testing.TB, in io.Reader, opt Options) ([]Chunk, error) {
	t.Helper()
	s, err := New(in, opt)
	if err != nil {
		t.Fatal(err)
	}
	var all []Chunk
	for {
		c, err := s.Next()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all = append(all, c)
	}
}

func texts(chunks []Chunk) []string {
	var all []string
	for _, c := range chunks {
		all = append(all, c.Text)
	}
	return all
}

// size counts text in the unit of opt, in other words than the package does.
func size(opt Options, text string) int {
	switch opt.Unit {
	case Chars:
		return len([]rune(text))
	case Bytes:
		return len(text)
	case Lines:
		return len(strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n"))
	default:
		return opt.Encoding.Count(text)
	}
}

// verify checks all that the package promises of the chunks of a valid input.
func verify(t testing.TB, input string, opt Options, chunks []Chunk) {
	t.Helper()
	segment, from, end := 0, int64(-1), int64(0)
	for i, c := range chunks {
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("%+v\ninput %.300q\nchunk %d [%d:%d] %.300q: %s", opt, input, i, c.Start, c.End, c.Text, fmt.Sprintf(format, args...))
		}
		if c.Seq != i || c.Last != (i == len(chunks)-1) {
			fail("seq %d, last %v of %d", c.Seq, c.Last, len(chunks))
		}
		if c.Start > end || c.Start <= from || c.End <= end || c.Text != input[c.Start:c.End] {
			fail("is not the part of the input it says, or no progress after %d", end)
		}
		if !utf8.ValidString(c.Text) {
			fail("is not valid UTF-8")
		}
		if n := size(opt, c.Text); n > opt.Size && utf8.RuneCountInString(c.Text) > 1 {
			fail("is %d", n)
		}
		if opt.Encoding != nil && c.Tokens != opt.Encoding.Count(c.Text) {
			fail("says %d tokens", c.Tokens)
		}
		if overlap := input[c.Start:end]; overlap != "" && size(opt, overlap) > opt.Overlap {
			fail("begins with an overlap of %d: %q", size(opt, overlap), overlap)
		}
		if opt.By != ByNone && !c.Last {
			if cluster := clusterAround(input[segment:], int(c.End)-segment); cluster != "" {
				if size(opt, cluster) <= opt.Size && len(cluster) <= MaxLines {
					fail("ends within %q", cluster)
				}
			}
			segment = int(c.End)
		}
		if opt.By == ByLine && opt.Unit != Tokens && !c.Last && !strings.HasSuffix(c.Text, "\n") {
			begin := strings.LastIndexByte(input[:c.End], '\n') + 1
			line, _, _ := strings.Cut(input[begin:], "\n")
			if size(opt, line) < opt.Size && begin >= int(c.Start) {
				fail("ends within the line %q", line)
			}
		}
		from, end = c.Start, c.End
	}
	if int(end) != len(input) {
		t.Fatalf("%+v: %d chunks of %.300q end at %d of %d", opt, len(chunks), input, end, len(input))
	}
}

// clusterAround returns the grapheme cluster of text that i lies within, or ""
// if i is a boundary.
func clusterAround(text string, i int) string {
	for clusters := graphemes.FromString(text); clusters.Next(); {
		if clusters.Start() < i && i < clusters.End() {
			return clusters.Value()
		}
		if clusters.End() >= i {
			break
		}
	}
	return ""
}

// trickle reads in parts of one to most bytes.
type trickle struct {
	in   io.Reader
	most int
	rand *rand.Rand
}

func (r trickle) Read(p []byte) (int, error) {
	return r.in.Read(p[:min(len(p), 1+r.rand.IntN(r.most))])
}

func check(t testing.TB, input string, opt Options, seed uint64) {
	t.Helper()
	chunks, err := split(t, strings.NewReader(input), opt)
	if err != nil {
		t.Fatalf("%+v: %q: %v", opt, input, err)
	}
	verify(t, input, opt, chunks)

	most := 1 + len(input)/20
	slow, err := split(t, trickle{strings.NewReader(input), most, rand.New(rand.NewPCG(seed, 0))}, opt)
	if err != nil || fmt.Sprint(slow) != fmt.Sprint(chunks) {
		t.Fatalf("%+v: %q: in parts of up to %d bytes it comes out differently\nat once  %q\nin parts %q %v", opt, input, most, texts(chunks), texts(slow), err)
	}
}
