package standin

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestReply(t *testing.T) {
	for prompt, want := range map[string]string{
		"echo hello  world\n":               "hello  world\n",
		"ECHO\n\n  two\n\nparagraphs":       "  two\n\nparagraphs",
		"Echo\nline":                        "line",
		"echo":                              "",
		"upper déjà vu":                     "DÉJÀ VU",
		"Summarise this.\n\nFirst. Second.": "[stand-in] First.",
		"Summarise.\n\nOne.\n\nTwo\nlines. Three.\n": "[stand-in] Two lines.",
		"Summarise.\r\n\r\nOne (\"two!\") three":     "[stand-in] One (\"two!\")",
		"no blank line? none":                        "[stand-in] no blank line?",
		"v1.5 is out. Yes":                           "[stand-in] v1.5 is out.",
		"":                                           "[stand-in] ",
	} {
		if got := Reply(prompt); got != want {
			t.Errorf("%q: %q, want %q", prompt, got, want)
		}
	}
	got := strings.TrimPrefix(Reply("Sum.\n\n"+strings.Repeat("数", 100)), "[stand-in] ")
	if len(got) > 160 || len(got) < 157 || !utf8.ValidString(got) {
		t.Errorf("a long sentence gives %d bytes: %q", len(got), got)
	}
}
