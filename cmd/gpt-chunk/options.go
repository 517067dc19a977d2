package main

import (
	"gptpipe/pkg/chunk"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/token"
)

const defaultTokens = 1000

// options are the flags as they were typed.
type options struct {
	tokens, chars, bytes, lines cli.Count
	overlap                     cli.Count
	by, encoding                cli.Choice
	model                       string
	name                        string
	jsonl                       bool
	in                          string
	replace                     bool
}

func (o *options) register(f *cli.Flags) {
	for _, c := range []struct {
		count *cli.Count
		name  string
	}{{&o.tokens, "tokens"}, {&o.chars, "chars"}, {&o.bytes, "bytes"}, {&o.lines, "lines"}} {
		c.count.Min = 1
		f.Var(c.count, c.name, "")
		f.Letter(c.name[0], c.name)
	}
	f.Var(&o.overlap, "overlap", "")
	o.by = cli.Choice{Value: "text", Of: []string{"text", "markdown", "code", "line", "none"}}
	f.Var(&o.by, "by", "")
	o.encoding = cli.Choice{Value: token.O200k, Of: []string{token.O200k, token.CL100k}}
	f.Var(&o.encoding, "encoding", "")
	f.StringVar(&o.model, "model", "", "")
	f.Letter('m', "model")
	f.StringVar(&o.name, "name", "", "")
	f.BoolVar(&o.jsonl, "jsonl", false, "")
	f.StringVar(&o.in, "in", "", "")
	f.BoolVar(&o.replace, "replace-invalid", false, "")
}

// resolve judges the flags and says what they mean.
func (o *options) resolve(f *cli.Flags) (chunk.Options, error) {
	opt := chunk.Options{Unit: chunk.Tokens, Size: defaultTokens, Overlap: o.overlap.N, ReplaceInvalid: o.replace}
	budgets := 0
	for _, b := range []struct {
		count cli.Count
		unit  chunk.Unit
	}{{o.tokens, chunk.Tokens}, {o.chars, chunk.Chars}, {o.bytes, chunk.Bytes}, {o.lines, chunk.Lines}} {
		if b.count.N > 0 {
			opt.Unit, opt.Size = b.unit, b.count.N
			budgets++
		}
	}
	encoding := o.encoding.Value
	known := true
	if f.Given("model") {
		encoding, known = token.ForModel(o.model)
	}
	switch {
	case budgets > 1:
		return opt, cli.Usagef("more than one of --tokens, --chars, --bytes and --lines")
	case o.overlap.N >= opt.Size:
		return opt, cli.Usagef("--overlap %d leaves no room in a budget of %d", o.overlap.N, opt.Size)
	case f.Given("model") && f.Given("encoding"):
		return opt, cli.Usagef("both --model and --encoding")
	case !known:
		return opt, cli.WithHint(cli.Usagef("the encoding of model %q is not known", o.model), "name one with --encoding, or count with --chars")
	case f.Given("in") && !o.jsonl:
		return opt, cli.Usagef("--in is for --jsonl")
	case f.Given("name") && o.jsonl:
		return opt, cli.Usagef("--name is not for --jsonl, whose records name themselves")
	}
	opt.By = map[string]chunk.By{
		"text": chunk.ByText, "markdown": chunk.ByMarkdown, "code": chunk.ByCode, "line": chunk.ByLine, "none": chunk.ByNone,
	}[o.by.Value]
	var err error
	opt.Encoding, err = token.For(encoding)
	return opt, err
}
