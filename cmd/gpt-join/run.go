package main

import (
	"context"
	"errors"
	"io"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/join"
	"gptpipe/pkg/record"
	"gptpipe/pkg/token"
)

// options are the flags as they were typed.
type options struct {
	in           string
	sep          string
	jsonl        bool
	tokens       cli.Count
	encoding     cli.Choice
	allowMissing bool
}

func (o *options) register(f *cli.Flags) {
	f.StringVar(&o.in, "in", "", "")
	f.StringVar(&o.sep, "sep", "", "")
	f.BoolVar(&o.jsonl, "jsonl", false, "")
	o.tokens.Min = 1
	f.Var(&o.tokens, "tokens", "")
	f.Letter('t', "tokens")
	o.encoding = cli.Choice{Value: token.O200k, Of: []string{token.O200k, token.CL100k}}
	f.Var(&o.encoding, "encoding", "")
	f.BoolVar(&o.allowMissing, "allow-missing", false, "")
}

func (o *options) resolve(f *cli.Flags) (join.Options, error) {
	opt := join.Options{In: o.in, JSONL: o.jsonl, AllowMissing: o.allowMissing, Tokens: o.tokens.N}
	if f.Given("sep") {
		opt.Sep = &o.sep
	}
	if f.Given("encoding") && o.tokens.N == 0 {
		return opt, cli.Usagef("--encoding is for --tokens")
	}
	var err error
	opt.Encoding, err = token.For(o.encoding.Value)
	return opt, err
}

func run(_ context.Context, sys *cli.System) error {
	flags := cli.NewFlags()
	var o options
	o.register(flags)
	files, err := flags.Parse(sys.Args)
	if err != nil {
		return err
	}
	opt, err := o.resolve(flags)
	if err != nil {
		return err
	}
	if len(files) == 0 && cli.IsTerminal(sys.Stdin) {
		return cli.WithHint(cli.Usagef("no input"), "pipe records in, name a FILE, or say - to type them")
	}

	opt.Report = func(p join.Problem) { sys.Log.Errorf("%v", p) }
	j := join.New(sys.Stdout, opt)
	badLine := false
	ok, err := cli.EachInput(sys, files, func(name string, in io.Reader) error {
		for r := record.NewReader(flushFirst{in, j}, false); ; {
			rec, err := r.Read()
			if err == io.EOF {
				return nil
			}
			var bad *record.LineError
			if errors.As(err, &bad) {
				sys.Log.Errorf("%s: %v", name, bad)
				badLine = true
				continue
			}
			if err == nil {
				err = j.Add(rec)
			}
			if err != nil {
				return err
			}
		}
	})
	if err == nil {
		err = j.Close()
	}
	switch {
	case err != nil:
		return err
	case !ok || badLine:
		return cli.Quiet(cli.StatusFailed)
	case j.Incomplete():
		return cli.Quiet(cli.StatusIncomplete)
	}
	return nil
}

// flushFirst is an input that sends on what has been written before it waits
// for more.
type flushFirst struct {
	in io.Reader
	j  *join.Joiner
}

func (r flushFirst) Read(p []byte) (int, error) {
	if err := r.j.Flush(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}
