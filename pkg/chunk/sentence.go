package chunk

import "unicode/utf8"

// lastTerminator returns where in text[from:] the last code point is that a
// sentence of UAX #29 may end with, but for what is closed and the spaces behind
// it, or -1. It takes some for such that are none.
func lastTerminator(text []byte, from int) int {
	for i := len(text) - 1; i >= from; i-- {
		if !mayTerminate[text[i]] {
			continue
		}
		switch c := text[i]; {
		case c == '.' && goesOn(text[i+1:]):
		case c >= utf8.RuneSelf:
			r, _ := utf8.DecodeRune(text[i:])
			letter := 0xc0 <= r && r <= 0x2ff || 0x400 <= r && r <= 0x481 || 0x4e00 <= r && r <= 0x9fff || 0x3041 <= r && r <= 0x3096 || 0x30a1 <= r && r <= 0x30fa || 0xac00 <= r && r <= 0xd7a3
			emoji := 0x1f300 <= r && r <= 0x1faff || r == 0x200d || r == 0xfe0f
			if !letter && !emoji {
				return i
			}
		default:
			return i
		}
	}
	return -1
}

// mayTerminate has the first bytes of what may end a sentence.
var mayTerminate = func() (may [256]bool) {
	for c := range may {
		may[c] = c == '\n' || c == '\r' || c == '.' || c == '!' || c == '?' || c >= 0xc0
	}
	return may
}()

// goesOn tells of many texts that the full stop before them ends no sentence: there
// is another right behind it (SB8a), or a small letter before any other letter, end
// of a line, or terminator (SB8).
func goesOn(text []byte) bool {
	for i, c := range text[:min(len(text), lookahead)] {
		switch {
		case 'a' <= c && c <= 'z':
			return true
		case mayTerminate[c] || 'A' <= c && c <= 'Z':
			return c == '.' && i == 0
		}
	}
	return false
}
