package main

import (
	"io"
	"strings"

	"gptpipe/pkg/cli"
)

// A printer writes an answer as it comes. It remembers the first failure, and
// then only lets the answer be taken in.
type printer struct {
	sys     *cli.System
	drain   *cli.Drain
	printed bool
	last    byte
	err     error
}

// delta prints a piece of a streamed answer.
func (p *printer) delta(text string) {
	if text != "" {
		p.printed = true
		p.print(text)
	}
}

// rest prints the whole answer, unless it has been streamed.
func (p *printer) rest(text string) {
	if !p.printed {
		p.print(text)
	}
}

// newline ends the answer's last line, if there is one and it has no end.
func (p *printer) newline() {
	if p.last != 0 && p.last != '\n' {
		p.print("\n")
	}
}

func (p *printer) print(text string) {
	if p.err != nil || text == "" {
		return
	}
	p.last = text[len(text)-1]
	if cli.IsTerminal(p.sys.Stdout.File) {
		text = cli.Printable(strings.ReplaceAll(text, "\r\n", "\n"))
	}
	if _, p.err = io.WriteString(p.sys.Stdout, text); p.err != nil {
		p.drain.End(p.err, cli.GracePipe)
	}
}
