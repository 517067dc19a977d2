package chunk

import (
	"unicode"
	"unicode/utf8"
)

// A verdict is an answer that may have to wait for more text.
type verdict int

const (
	no verdict = iota
	yes
	wait
)

// seam tells whether token counts add up at text[i:], 0 < i < len(text):
// whether Count(a+text[i:]) is Count(a) plus Count(text[i:]) for every a that
// ends as text[:i] does. It waits if that depends on what follows text, and
// last says that nothing does.
//
// Both encodings divide a text into pieces from left to right and count each by
// itself (see [token]). Counts add up where a piece ends for reasons that the
// rest of the text has no part in:
//
//   - before a space or tab that follows anything but white space: no piece goes
//     on over it;
//   - after the last newline of a run of white space, since line breaks take up
//     the white space before them and leave what is behind them; not before "/",
//     which o200k_base counts among the line breaks after punctuation;
//   - before punctuation that follows a letter or digit, for a word goes on with
//     letters, marks and an apostrophe alone.
//
// It may be no where counts do add up.
func seam(text []byte, i int, last bool) verdict {
	before, c := text[i-1], text[i]
	switch {
	case c == ' ' || c == '\t':
		if before == '\n' {
			return newlineSeam(text[i:], last)
		}
		if before < utf8.RuneSelf {
			return is(before > ' ' && before < 0x7f)
		}
		r, _ := utf8.DecodeLastRune(text[:i])
		return is(visible(r))
	case before == '\n':
		return newlineSeam(text[i:], last)
	case c < utf8.RuneSelf:
		return is(seamMarks[c] && wordEnd(text[:i]))
	case c == 0xe3 || c == 0xef:
		r, _ := utf8.DecodeRune(text[i:])
		switch r {
		case '、', '。', '，', '！', '？', '；', '：':
			return is(wordEnd(text[:i]))
		}
	}
	return no
}

// visible tells of a code point beyond ASCII that it is white space in no version
// of Unicode; U+180E was in some.
func visible(r rune) bool { return !unicode.IsSpace(r) && r != 0x180e }

func is(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// newlineSeam tells whether the newline before text is the last of a run of
// white space. It does not look farther than a run may go without a seam.
func newlineSeam(text []byte, last bool) verdict {
	for i, c := range text {
		switch {
		case i == seamless:
			return no
		case c == ' ' || c == '\t':
		case c > ' ' && c < 0x7f:
			return is(c != '/' || i > 0)
		case c < utf8.RuneSelf:
			return no
		default:
			r, _ := utf8.DecodeRune(text[i:])
			return is(visible(r))
		}
	}
	if last {
		return yes
	}
	return wait
}

// wordEnd tells whether text ends with an ASCII letter or digit, an ideograph,
// or kana.
func wordEnd(text []byte) bool {
	c := text[len(text)-1]
	if c < utf8.RuneSelf {
		return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
	}
	r, _ := utf8.DecodeLastRune(text)
	return 0x4e00 <= r && r <= 0x9fa5 || 0x3041 <= r && r <= 0x3096 || 0x30a1 <= r && r <= 0x30fa
}

// seamMarks is the punctuation of ASCII but the apostrophe.
var seamMarks = func() (marks [utf8.RuneSelf]bool) {
	for c := range marks {
		marks[c] = c > ' ' && c < 0x7f && c != '\'' && !wordEnd([]byte{byte(c)})
	}
	return marks
}()

// nextSeam returns the first seam of text from i on, before end. Without one
// the verdict is no, or wait if it depends on text that is not there yet.
func nextSeam(text []byte, i, end int, last bool) (int, verdict) {
	for ; i < end && i < len(text); i++ {
		if v := seam(text, i, last); v != no {
			return i, v
		}
	}
	switch {
	case i >= end:
		return end, no
	case last:
		return len(text), yes
	}
	return i, wait
}
