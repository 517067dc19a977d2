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

// whole prints the answer, unless it has been streamed, and ends its last line.
// It is one write, so that the answers of many processes do not mix.
func (p *printer) whole(text string) {
	switch {
	case !p.printed && strings.HasSuffix(text, "\n"):
		p.print(text)
	case !p.printed:
		p.print(text + "\n")
	case p.last != '\n':
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
