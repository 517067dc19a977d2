package chunk

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"gptpipe/pkg/token"
)

func fuzzOptions(f *testing.F, size, overlap int, kind uint8) (Options, bool) {
	opt := Options{Unit: Unit(kind % 4), By: By(kind / 4 % 5), Size: size, Overlap: overlap}
	name := token.O200k
	if kind/20%2 == 1 {
		name = token.CL100k
	}
	opt.Encoding, _ = token.For(name)
	return opt, size <= 2000 && opt.Check() == nil
}

var fuzzSeeds = []string{
	"", "a", "Hello, world. How are you?\n\nFine, thanks.\r\nAnd you?", "今天天气很好。我们去公园吧！\n「好吗？」好，走。",
	"e\u0301\u0301\u0301 🇩🇪🇫🇷🇬🇧 👨‍👩‍👧‍👦👍🏽", "\ufeffa\x00b\r\n\r\n\tc", "    \n\n   \n x\n\n\n", "a=1;b=2//\n/", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"# A\n\ntext\n\n## B\n\n```go\n# x\n\ny\n```\n- one\n  - two\n\n  # no\n1. x\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nT\nU\n==\n> q\n<!-- \n# -->\n",
	"---\na: b\n---\nfunc f() {\n\tx()\n\n\ty()\n}\n\nfunc g() {\r\n}\r\n\r\n",
	"\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "नमस्ते दुनिया", "한국어 문장입니다. 둘째 문장.",
}

func FuzzChunk(f *testing.F) {
	for i, s := range fuzzSeeds {
		f.Add(s, 10, 7, 3, uint8(i), uint64(i))
		f.Add(s, 3, 40, 0, uint8(i*5), uint64(i))
	}
	f.Fuzz(func(t *testing.T, text string, repeat, size, overlap int, kind uint8, seed uint64) {
		opt, ok := fuzzOptions(f, size, overlap, kind)
		if !ok || !utf8.ValidString(text) || repeat < 1 || repeat > 500 || repeat*len(text) > 8_000 {
			t.Skip()
		}
		check(t, strings.Repeat(text, repeat), opt, seed)
	})
}

func FuzzReplaceInvalid(f *testing.F) {
	for i, s := range fuzzSeeds {
		f.Add([]byte(s+"\xff\xe4\xb8"+s), 7, 3, uint8(i))
		f.Add([]byte("\xf0\x9f"+s), 2, 1, uint8(i*7))
	}
	f.Fuzz(func(t *testing.T, input []byte, size, overlap int, kind uint8) {
		opt, ok := fuzzOptions(f, size, overlap, kind)
		if !ok || len(input) > 4_000 {
			t.Skip()
		}
		checkReplaced(t, input, opt)

		// Without replacing, the error says where the first one is.
		_, err := split(t, bytes.NewReader(input), opt)
		at := 0
		for at < len(input) {
			r, n := utf8.DecodeRune(input[at:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			at += n
		}
		var invalid *InvalidUTF8Error
		if errors.As(err, &invalid) != (at < len(input)) || invalid != nil && invalid.Offset != int64(at) {
			t.Fatalf("%q: error %v, invalid from %d on", input, err, at)
		}
	})
}
