package main

import (
	"io"
	"strings"
	"unicode/utf8"

	"gptpipe/pkg/cli"
)

// output is standard output; on a terminal, without the control characters that
// a model or a document may have put into a text. Pipes and files get what is.
func output(stdout *cli.Output) io.Writer {
	if cli.IsTerminal(stdout.File) {
		return &harmless{out: stdout}
	}
	return stdout
}

// harmless makes control characters harmless. What may be the beginning of more
// (a code point, a line end) waits for the next write; a carriage return at the
// very end is not shown.
type harmless struct {
	out  io.Writer
	rest []byte
}

func (h *harmless) Write(p []byte) (int, error) {
	text := append(h.rest, p...)
	end := len(text)
	for i := 1; i < utf8.UTFMax && i <= end; i++ {
		if b := text[end-i]; utf8.RuneStart(b) {
			if !utf8.FullRune(text[end-i:]) {
				end -= i
			}
			break
		}
	}
	if end > 0 && text[end-1] == '\r' {
		end--
	}
	h.rest = append([]byte(nil), text[end:]...)
	shown := cli.Printable(strings.ReplaceAll(string(text[:end]), "\r\n", "\n"))
	if _, err := io.WriteString(h.out, shown); err != nil {
		return 0, err
	}
	return len(p), nil
}
