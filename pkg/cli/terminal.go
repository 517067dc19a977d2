package cli

import (
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Width is how many columns the terminal f has, or 0 if it is none.
func Width(f *os.File) int {
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return max(width, 0)
}

// IsNull reports whether f is /dev/null, or closed: no data can come from it.
func IsNull(f *os.File) bool {
	null, err := os.Stat(os.DevNull)
	if err != nil {
		return false
	}
	info, err := f.Stat()
	return err != nil || os.SameFile(info, null)
}

// Printable makes control characters harmless for a terminal: each but
// newline and tab is shown as its picture (U+2400 to U+2421), or as U+FFFD.
// The text of a server or a file cannot move the cursor or set the title.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20:
			return 0x2400 + r
		case r == 0x7f:
			return 0x2421
		case unicode.IsControl(r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
