package token

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

type vector struct {
	Text      string
	O200k     int    `json:"o200k_base"`
	CL100k    int    `json:"cl100k_base"`
	O200kCRC  uint32 `json:"o200k_crc"`
	CL100kCRC uint32 `json:"cl100k_crc"`
}

func vectors(t testing.TB) []vector {
	f, err := os.Open("testdata/tokens.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for lines := bufio.NewScanner(z); lines.Scan(); {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if len(all) != 30137 {
		t.Fatalf("%d vectors", len(all))
	}
	return all
}

func encoding(t testing.TB, name string) *Encoding {
	e, err := For(name)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// checksum is the CRC-32 of the token ids of text as the vectors give it. With
// merge, every piece that is not a token itself goes through our own merge.
func checksum(e *Encoding, text string, merge bool) uint32 {
	var ids []byte
	e.pieces(text, false, func(piece string) bool {
		encoded, _, err := e.codec.Encode(piece)
		check(err)
		if merge && len(encoded) > 1 {
			encoded = encoded[:0]
			for _, token := range e.merge(piece) {
				encoded = append(encoded, uint(e.ranks[token]))
			}
		}
		for _, id := range encoded {
			ids = binary.LittleEndian.AppendUint32(ids, uint32(id))
		}
		return true
	})
	return crc32.ChecksumIEEE(ids)
}

func TestVectors(t *testing.T) {
	all := vectors(t)
	for _, test := range []struct {
		name string
		want func(v vector) (int, uint32)
	}{
		{O200k, func(v vector) (int, uint32) { return v.O200k, v.O200kCRC }},
		{CL100k, func(v vector) (int, uint32) { return v.CL100k, v.CL100kCRC }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := encoding(t, test.name)
			for i, v := range all {
				count, crc := test.want(v)
				if got := e.Count(v.Text); got != count {
					t.Errorf("line %d: %q: %d tokens, want %d", i+1, v.Text, got, count)
				}
				own := i%2 == 0
				if checksum(e, v.Text, own) != crc {
					t.Errorf("line %d: %q: other ids, own merge %v", i+1, v.Text, own)
				}
			}
		})
	}
}

// Long texts are counted in blocks; the whole of the vectors must count the
// same as in one go, wherever a block happens to end.
func TestBlocks(t *testing.T) {
	var all strings.Builder
	for _, v := range vectors(t)[20000:24000] {
		all.WriteString(v.Text)
	}
	text := all.String()
	if len(text) < 3*blockSize {
		t.Fatalf("only %d bytes", len(text))
	}
	for _, name := range []string{O200k, CL100k} {
		e := encoding(t, name)
		want := 0
		e.pieces(text, false, func(piece string) bool { want += e.count(piece); return true })
		if got := e.Count(text); got != want {
			t.Errorf("%s: %d tokens in blocks, %d at once", name, got, want)
		}
	}
}

// checkFit holds Fit against Count, and against itself when the text arrives in
// parts of step bytes.
func checkFit(t *testing.T, e *Encoding, text string, n, step int) {
	total, long := e.Count(text), false
	e.pieces(text, false, func(piece string) bool {
		long = long || len(piece) > shortPiece
		return true
	})
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
			if i%50 != 0 {
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

// The cost of a run without boundary must not grow with its square, and its
// count must still be what the merge says: a run of n letters a is n/8 tokens.
func TestLongRun(t *testing.T) {
	e := encoding(t, O200k)
	run := strings.Repeat("a", 1<<20)
	if got := e.Count(run); got != 1<<17 {
		t.Errorf("1 MiB of a: %d tokens, want %d", got, 1<<17)
	}
	for _, s := range []string{"a", " ", "\n", "=", "中", "😀", "0", "aB+/", "\n "} {
		run := strings.Repeat(s, 200_000)
		length, _, full := e.Fit(run, 1000, true)
		if !full {
			t.Errorf("%d bytes of %q do not fill 1000 tokens: %d", len(run), s, length)
		}
		if got := e.Count(run[:length]); got > 1010 {
			t.Errorf("Fit takes %d bytes of %q for 1000 tokens, they are %d", length, s, got)
		}
	}
}

// settled relies on the pattern and package unicode agreeing on white space.
func TestSpace(t *testing.T) {
	e := encoding(t, CL100k)
	for r := rune(0); r < 0x3100; r++ /* no white space is beyond */ {
		pieces, text := 0, string(r)+" "
		if r == '\r' || r == '\n' {
			continue
		}
		e.pieces(text, false, func(string) bool { pieces++; return true })
		if unicode.IsSpace(r) != (pieces == 1) {
			t.Errorf("%U: %d pieces with a space behind it", r, pieces)
		}
	}
}

func TestInvalid(t *testing.T) {
	for text, want := range map[string]string{
		"a\xffb":                        "a\ufffdb",
		"\xff\xfe":                      "\ufffd\ufffd",
		"\xe4\xb8":                      "\ufffd",
		"\xe4\xb8x":                     "\ufffdx",
		"\xf0\x9f\x98":                  "\ufffd",
		"\xf0\x9f\x98\x80":              "\U0001F600",
		"\xed\xa0\x80":                  "\ufffd\ufffd\ufffd", // a surrogate
		"\xc0\xaf":                      "\ufffd\ufffd",       // overlong
		"\xf4\x90\x80\x80":              "\ufffd\ufffd\ufffd\ufffd",
		"\xf1\x80\x80\xe1\x80\xc2.\x80": "\ufffd\ufffd\ufffd.\ufffd",
		"\ufffd":                        "\ufffd",
	} {
		if got := ToValid(text); got != want {
			t.Errorf("%x: %q, want %q", text, got, want)
		}
		e := encoding(t, O200k)
		if e.Count(text) != e.Count(want) {
			t.Errorf("%x: %d tokens, want %d", text, e.Count(text), e.Count(want))
		}
	}
}

func TestSpecialTokensAreText(t *testing.T) {
	if n := encoding(t, CL100k).Count("<|endoftext|>"); n != 7 {
		t.Errorf("<|endoftext|> is %d tokens, want 7", n)
	}
}

func TestForModel(t *testing.T) {
	for model, want := range map[string]string{
		"gpt-4o": O200k, "gpt-4o-mini-2024-07-18": O200k, "gpt-4.1-nano": O200k, "gpt-5.1": O200k, "o3": O200k, "o1-preview": O200k,
		"openai/gpt-oss-120b": O200k, "ft:gpt-4o:acme:x:1": O200k, "chatgpt-4o-latest": O200k,
		"gpt-4": CL100k, "gpt-4-turbo": CL100k, "gpt-4-32k": CL100k, "gpt-3.5-turbo": CL100k, "ft:gpt-3.5-turbo:acme": CL100k, "text-embedding-3-small": CL100k,
	} {
		if got, known := ForModel(model); got != want || !known {
			t.Errorf("%s: %s, %v; want %s", model, got, known, want)
		}
	}
	for _, model := range []string{"", "llama3", "o10", "gpt-42", "text-davinci-003"} {
		if got, known := ForModel(model); got != O200k || known {
			t.Errorf("%q: %s, %v", model, got, known)
		}
	}
}

func TestUnknown(t *testing.T) {
	_, err := For("p50k_base")
	var unknown UnknownEncodingError
	if !errors.As(err, &unknown) {
		t.Errorf("error is %v", err)
	}
}

func BenchmarkCount(b *testing.B) {
	text, err := os.ReadFile("/usr/share/common-licenses/GPL-3")
	if err != nil {
		b.Skip(err)
	}
	e := encoding(b, O200k)
	e.Count("x")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		e.Count(string(text))
	}
}
