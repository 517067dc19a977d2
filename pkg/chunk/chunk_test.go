package chunk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func TestByText(t *testing.T) {
	for _, test := range []struct {
		size int
		unit Unit
		in   string
		want []string
	}{
		{20, Chars, "One two.\n\nThree four five six.", []string{"One two.\n\nThree four", " five six."}},
		{12, Chars, "One two.\n\nThree four five six.", []string{"One two.\n\n", "Three four ", "five six."}},
		{11, Chars, "line one\nline two\nline three\n", []string{"line one\n", "line two\n", "line three\n"}},
		{30, Chars, "He came. She saw it, and went. They won.", []string{"He came. She saw it, and went.", " They won."}},
		{26, Chars, "He came. She saw it, and went. They won.", []string{"He came. She saw it, ", "and went. They won."}},
		{22, Chars, "He came. She saw it, and went. They won.", []string{"He came. She saw it, ", "and went. They won."}},
		{8, Chars, "今天天气很好。我们去公园吧！好吗？好。", []string{"今天天气很好。", "我们去公园吧！", "好吗？好。"}},
		{8, Chars, "今天天气很好，我们去公园吧", []string{"今天天气很好，", "我们去公园吧"}},
		{3, Chars, "a\r\n\r\nb", []string{"a\r\n", "\r\nb"}},
		{4, Bytes, "🇩🇪🇫🇷", []string{"🇩", "🇪", "🇫", "🇷"}},
		{9, Bytes, "🇩🇪🇫🇷", []string{"🇩🇪", "🇫🇷"}},
		{2, Chars, "e\u0301e\u0301\u0301x", []string{"e\u0301", "e\u0301", "\u0301x"}},
		{1, Bytes, "中a", []string{"中", "a"}},
		{1, Tokens, "🦙", []string{"🦙"}},
		{2, Lines, "a\nb\nc\nd\ne", []string{"a\nb\n", "c\nd\n", "e"}},
		{5, Lines, "aaa\nbbb\nccc\n\nd\ne\nf\n", []string{"aaa\nbbb\nccc\n\n", "d\ne\nf\n"}},
		{10, Chars, "incomprehensibilities are", []string{"incomprehe", "nsibilitie", "s are"}},
		{10, Chars, "some incomprehensible", []string{"some ", "incomprehe", "nsible"}},
	} {
		opt := Options{Unit: test.unit, Size: test.size, Encoding: o200k(t)}
		chunks, err := split(t, strings.NewReader(test.in), opt)
		if got := texts(chunks); err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", test.want) {
			t.Errorf("%q in %d: %q, want %q (%v)", test.in, test.size, got, test.want, err)
		}
		check(t, test.in, opt, 1)
	}
}

func TestByLineAndNone(t *testing.T) {
	for _, test := range []struct {
		by      By
		overlap int
		in      string
		want    []string
	}{
		{ByLine, 0, "one\n\ntwo\nthree and four\nfive", []string{"one\n\ntwo\n", "three and ", "four\nfive"}},
		{ByNone, 0, "one two three\r\nfour", []string{"one two th", "ree\r\nfour"}},
		{ByNone, 4, "0123456789abcdef", []string{"0123456789", "6789abcdef"}},
		{ByLine, 5, "ab\ncd\nef\ngh\nij\nkl\n", []string{"ab\ncd\nef\n", "ef\ngh\nij\n", "ij\nkl\n"}},
		{ByLine, 5, "abcdefgh\nij\nklm\n", []string{"abcdefgh\n", "ij\nklm\n"}},
		{ByText, 5, "one two three four five", []string{"one two ", " two three", "three four", " four five"}},
	} {
		opt := Options{Unit: Chars, Size: 10, Overlap: test.overlap, By: test.by}
		chunks, err := split(t, strings.NewReader(test.in), opt)
		if got := texts(chunks); err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", test.want) {
			t.Errorf("%q by %d: %q, want %q (%v)", test.in, test.by, got, test.want, err)
		}
		check(t, test.in, opt, 1)
	}
}

func TestEmpty(t *testing.T) {
	chunks, err := split(t, strings.NewReader(""), Options{Unit: Chars, Size: 1})
	if len(chunks) > 0 || err != nil {
		t.Errorf("%v, %v", chunks, err)
	}
}

func TestOptions(t *testing.T) {
	for _, opt := range []Options{
		{Unit: Chars},
		{Unit: Chars, Size: -1},
		{Unit: Chars, Size: 5, Overlap: 5},
		{Unit: Chars, Size: 5, Overlap: -1},
		{Unit: Tokens, Size: 5},
	} {
		if _, err := New(strings.NewReader("x"), opt); err == nil {
			t.Errorf("%+v is taken", opt)
		}
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	in := io.MultiReader(strings.NewReader(strings.Repeat("word ", 50)), iotest.ErrReader(broken))
	chunks, err := split(t, in, Options{Unit: Chars, Size: 20})
	if len(chunks) == 0 || chunks[len(chunks)-1].Last || !errors.Is(err, broken) {
		t.Errorf("%d chunks, %v", len(chunks), err)
	}
}

func TestInvalidUTF8(t *testing.T) {
	good := strings.Repeat("good 中文 text. ", 20)
	for _, bad := range []string{"\xff", "\xe4\xb8", "\xe4\xb8x", "\xed\xa0\x80", "\xc0\xaf", "\xf0\x9f\x98"} {
		for _, after := range []string{"", "after"} {
			input := good + bad + after
			for _, in := range []io.Reader{strings.NewReader(input), iotest.OneByteReader(strings.NewReader(input))} {
				chunks, err := split(t, in, Options{Unit: Chars, Size: 50})
				var invalid *InvalidUTF8Error
				if !errors.As(err, &invalid) || invalid.Offset != int64(len(good)) {
					t.Errorf("%q: error %v, want one at %d", bad+after, err, len(good))
				}
				if len(chunks) != len(good)/60 && len(chunks) < 4 {
					t.Errorf("%q: %d chunks before it", bad+after, len(chunks))
				}
			}
		}
	}
}

// The offsets are those of the input when invalid UTF-8 is replaced, and an
// overlap can be cut off by them.
func checkReplaced(t testing.TB, input []byte, opt Options) {
	t.Helper()
	opt.ReplaceInvalid = true
	chunks, err := split(t, bytes.NewReader(input), opt)
	if err != nil {
		t.Fatal(err)
	}
	slow, err := split(t, iotest.OneByteReader(bytes.NewReader(input)), opt)
	if err != nil || fmt.Sprint(slow) != fmt.Sprint(chunks) {
		t.Fatalf("%+v %q: byte by byte it comes out differently", opt, input)
	}
	var joined strings.Builder
	end := int64(0)
	for i, c := range chunks {
		if c.Start > end || c.End <= end || c.Text != toValid(input[c.Start:c.End]) {
			t.Fatalf("%+v %q: chunk %d is not [%d:%d]: %q", opt, input, i, c.Start, c.End, c.Text)
		}
		if size(opt, c.Text) > opt.Size && utf8.RuneCountInString(c.Text) > 1 {
			t.Fatalf("%+v %q: chunk %d is over the budget: %q", opt, input, i, c.Text)
		}
		joined.WriteString(c.Text[end-c.Start:])
		end = c.End
	}
	if joined.String() != toValid(input) || end != int64(len(input)) {
		t.Fatalf("%+v %q: joined it is %q", opt, input, joined.String())
	}
}

// toValid replaces as the Unicode standard recommends, by trying the lengths.
func toValid(input []byte) string {
	var out strings.Builder
	for len(input) > 0 {
		r, n := utf8.DecodeRune(input)
		if r == utf8.RuneError && n == 1 {
			for k := 2; k <= 3 && k <= len(input) && !utf8.FullRune(input[:k]); k++ {
				n = k
			}
		}
		out.WriteRune(r)
		input = input[n:]
	}
	return out.String()
}

func TestReplaceInvalid(t *testing.T) {
	for _, input := range []string{
		"", "\xff", "a\xffb", "\xe4\xb8", strings.Repeat("\xff", 50), strings.Repeat("word \xe4\xb8 ", 30),
		strings.Repeat("\xf0\x9f\x98中", 30), "a\x80" + strings.Repeat("some words ", 30) + "\xc3",
	} {
		for _, unit := range []Unit{Tokens, Chars, Bytes, Lines} {
			for _, by := range []By{ByText, ByMarkdown, ByCode, ByLine, ByNone} {
				checkReplaced(t, []byte(input), Options{Unit: unit, Size: 7, By: by, Encoding: o200k(t)})
				checkReplaced(t, []byte(input), Options{Unit: unit, Size: 12, Overlap: 5, By: by, Encoding: o200k(t)})
			}
		}
	}
}

func TestRealTexts(t *testing.T) {
	for _, name := range []string{"testdata/en.txt", "testdata/zh.txt", "chunk.go", "../../README.md"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, opt := range []Options{
			{Unit: Tokens, Size: 100, By: ByText},
			{Unit: Tokens, Size: 1000, Overlap: 100, By: ByText},
			{Unit: Tokens, Size: 200, By: ByMarkdown},
			{Unit: Tokens, Size: 100, Overlap: 30, By: ByMarkdown},
			{Unit: Tokens, Size: 150, By: ByCode},
			{Unit: Chars, Size: 300, Overlap: 90, By: ByCode},
			{Unit: Tokens, Size: 50, Overlap: 49, By: ByLine},
			{Unit: Bytes, Size: 4096, By: ByNone},
			{Unit: Lines, Size: 20, Overlap: 3},
			{Unit: Chars, Size: 77, Overlap: 20},
		} {
			opt.Encoding = o200k(t)
			check(t, string(data), opt, 2)
		}
	}
}

// Prose by paragraph, line and sentence must fill its chunks nine tenths: a part
// of Tom Sawyer, and the beginning of Dream of the Red Chamber, both in the public
// domain.
func TestFill(t *testing.T) {
	for _, name := range []string{"testdata/en.txt", "testdata/zh.txt"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		long := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(string(data), "\n\n", "\x00"), "\n", " "), "\x00", "\n\n")
		for _, text := range []string{string(data), long, strings.ReplaceAll(long, "\n\n", " ")} {
			for _, size := range []int{100, 200, 500} {
				chunks, err := split(t, strings.NewReader(text), Options{Unit: Tokens, Size: size, Encoding: o200k(t)})
				if err != nil {
					t.Fatal(err)
				}
				sum := 0
				for _, c := range chunks[:len(chunks)-1] {
					sum += c.Tokens
				}
				if mean := float64(sum) / float64(size*(len(chunks)-1)); mean < 0.9 {
					t.Errorf("%s: %d chunks of %d tokens are %.3f full in the mean", name, len(chunks), size, mean)
				} else {
					t.Logf("%s: %d chunks of %d tokens, %.3f full", name, len(chunks), size, mean)
				}
			}
		}
	}
}

// A chunk comes out as soon as the text behind it is there, with no end in sight.
func TestFirstChunkFromLiveStream(t *testing.T) {
	for _, test := range []struct {
		in   string
		opt  Options
		want string
	}{
		{"a\nb", Options{Unit: Lines, Size: 1, By: ByLine}, "a\n"},
		{"a\nb", Options{Unit: Lines, Size: 1}, "a\n"},
		{"0123456789a", Options{Unit: Bytes, Size: 10, By: ByNone}, "0123456789"},
		{"Some words of a sentence. Some more words, after it, for the look ahead", Options{Unit: Tokens, Size: 7}, "Some words of a sentence."},
	} {
		test.opt.Encoding = o200k(t)
		live, feed := io.Pipe()
		go io.WriteString(feed, test.in) // and no more
		s, err := New(live, test.opt)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := s.Next(); err != nil || strings.TrimSpace(c.Text) != strings.TrimSpace(test.want) || c.Last {
			t.Errorf("%q: %+v, %v", test.in, c, err)
		}
		feed.Close()
		live.Close()
	}
}

// endless is text without end; it fails the test that reads too much of it.
type endless struct {
	t    *testing.T
	part string
	left int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e.part) <= len(p) {
		n += copy(p[n:], e.part)
	}
	if e.left -= n; e.left < 0 {
		e.t.Fatalf("%q: read too far", e.part)
	}
	return n, nil
}

// A run without any boundary takes bounded text per chunk, in every unit.
func TestEndlessRuns(t *testing.T) {
	for _, part := range []string{"a", " ", "\n ", "=", "中", "\u0301", "👍🏽", "e\u0301", "Zm9v", "# ", "- ", "> ", "\n- a\n", "```\n"} {
		for _, opt := range []Options{
			{Unit: Tokens, Size: 10},
			{Unit: Tokens, Size: 300, Overlap: 30},
			{Unit: Tokens, Size: 100, By: ByLine},
			{Unit: Tokens, Size: 100, By: ByMarkdown},
			{Unit: Tokens, Size: 100, By: ByCode},
			{Unit: Tokens, Size: 100, Overlap: 50, By: ByNone},
			{Unit: Chars, Size: 1000, Overlap: 100},
			{Unit: Bytes, Size: 1000},
			{Unit: Lines, Size: 10, By: ByLine},
		} {
			opt.Encoding = o200k(t)
			count := 3
			if opt.Unit == Lines {
				if part != "a" && part != "👍🏽" {
					continue // megabytes of each
				}
				opt.Encoding, count = nil, 1
			}
			s, err := New(&endless{t, part, 1<<20 + count*2*MaxLines}, opt)
			if err != nil {
				t.Fatal(err)
			}
			for range count {
				c, err := s.Next()
				if err != nil || opt.Unit != Lines && size(opt, c.Text) > opt.Size {
					t.Fatalf("%q %+v: %v", part, opt, err)
				}
				if len(c.Text) < opt.Size/2 && !strings.Contains(part, "\n") {
					t.Errorf("%q %+v: %d bytes only", part, opt, len(c.Text))
				}
			}
			if max := 4*MaxLines + 1<<20; cap(s.src.room) > max || opt.Unit != Lines && cap(s.src.room) > 1<<20 {
				t.Errorf("%q %+v: a window of %d bytes", part, opt, cap(s.src.room))
			}
		}
	}
}

// What parts says is so with every code point, whatever stands around.
func TestParts(t *testing.T) {
	others := "a ~é中あ。，👍🏽\u200d\u0301\u0903\u0600\u06dd\u0d4e\U000110bd🇩\u1100\u1161\u11a8가각न\u094d\u0e33\r\n\x00"
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		for _, other := range others {
			for _, pair := range [][2]rune{{r, other}, {other, r}} {
				if !parts(pair[0], pair[1]) {
					continue
				}
				for _, around := range [][2]string{{"", ""}, {"👍\u200d", "\u0301"}, {"न\u094d", "\u200d👍"}} {
					text := around[0] + string(pair[:]) + around[1]
					if at := len(around[0]) + utf8.RuneLen(pair[0]); clusterAround(text, at) != "" {
						t.Fatalf("%q has no boundary at %d", text, at)
					}
				}
			}
		}
	}
}

func TestNames(t *testing.T) {
	var names Names
	for _, test := range [][2]string{
		{"a", "a"}, {"b", "b"}, {"a", "a~2"}, {"a", "a~3"}, {"a~2", "a~2~2"}, {"-", "-"}, {"-", "-~2"},
		{"n~2", "n~2"}, {"n", "n"}, {"n", "n~3"}, {"n~2", "n~2~2"}, {"\xe9", "�"}, {"\xe8", "�~2"},
	} {
		if got := names.Unique(test[0]); got != test[1] {
			t.Errorf("%s becomes %s, want %s", test[0], got, test[1])
		}
	}
}
