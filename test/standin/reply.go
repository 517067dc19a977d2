package standin

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// Reply is the stand-in's model: a function of the prompt's first word, whatever its case.
//
//	echo TEXT     TEXT
//	upper TEXT    TEXT in upper case
//	anything else "[stand-in] " and a sentence out of the prompt: the first, up to 160 bytes, of the last paragraph
//	              after the first blank line, or of the whole prompt if it has no blank line
//
// TEXT is everything after the word and a blank line, or after the word and one white space character.
func Reply(prompt string) string {
	word, text := firstWord(prompt)
	switch word {
	case "echo":
		return text
	case "upper":
		return strings.ToUpper(text)
	}
	return "[stand-in] " + sentence(lastParagraph(prompt))
}

// firstWord returns the first word of a prompt in lower case, and what comes after it.
func firstWord(prompt string) (word, text string) {
	i := strings.IndexAny(prompt, " \t\r\n")
	if i < 0 {
		return strings.ToLower(prompt), ""
	}
	word, text = strings.ToLower(prompt[:i]), prompt[i:]
	if rest, ok := strings.CutPrefix(text, "\n\n"); ok {
		return word, rest
	}
	return word, text[1:]
}

var blankLine = regexp.MustCompile(`\r?\n[ \t]*\r?\n`)

func lastParagraph(prompt string) string {
	blocks := blankLine.Split(prompt, -1)
	for i := len(blocks) - 1; i > 0; i-- {
		if strings.TrimSpace(blocks[i]) != "" {
			return blocks[i]
		}
	}
	return blocks[0]
}

var sentenceEnd = regexp.MustCompile(`[.!?]["'”’)\]]*(\s|$)`)

// sentence returns the first sentence of text on one line, at most 160 bytes of it.
func sentence(text string) string {
	text = strings.TrimSpace(text)
	if end := sentenceEnd.FindStringIndex(text); end != nil {
		text = text[:end[1]]
	}
	text = strings.Join(strings.Fields(text), " ")
	return cut(text, 160)
}

// cut returns at most n bytes of text and no part of a rune.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
