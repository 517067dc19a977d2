package main

import (
	"context"
	"errors"
	"io"
	"runtime/debug"

	"golang.org/x/sys/unix"

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

	// Garbage is to be collected before it doubles what waits.
	debug.SetMemoryLimit(join.DefaultMemory + 64<<20)

	j := &joiner{sys: sys}
	opt.TempDir = tempDir(sys.Getenv)
	opt.Report = j.report
	j.Joiner = join.New(output(sys.Stdout), opt)
	ok, err := cli.EachInput(sys, files, j.file)
	if err == nil {
		err = j.lost
	}
	if err == nil {
		err = j.Close()
	}
	var lost *join.SpillError
	switch {
	case errors.As(err, &lost):
		return cli.WithHint(err, "set TMPDIR to a folder with more room; what was written is right as far as it goes")
	case err != nil:
		return err
	case !ok || j.badLine:
		return cli.Quiet(cli.StatusFailed)
	case j.Incomplete():
		return cli.Quiet(cli.StatusIncomplete)
	}
	return nil
}

// A joiner joins the records of files.
type joiner struct {
	*join.Joiner
	sys     *cli.System
	name    string // of the file
	badLine bool   // a line was no record
	lost    error  // nothing more can be joined
}

func (j *joiner) file(name string, in io.Reader) error {
	j.name = name
	r := record.NewReader(flushFirst{in, j.Joiner}, false)
	r.Reuse()
	for j.lost == nil {
		rec, err := r.Read()
		var bad *record.LineError
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &bad):
			j.sys.Log.Errorf("%s: %v", name, bad)
			j.badLine = true
			continue
		case err != nil:
			return err
		}
		err = j.Add(rec)
		var lost *join.SpillError
		if errors.As(err, &lost) {
			j.lost = err
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (j *joiner) report(p join.Problem) {
	if p.Kind == join.Bad {
		j.sys.Log.Errorf("%s: %v", j.name, p)
		return
	}
	j.sys.Log.Errorf("%v", p)
}

// tempDir is where records wait that memory has no room for: not in /tmp if it
// can be helped, which is often memory itself (see file-hierarchy(7)).
func tempDir(getenv func(string) string) string {
	if dir := getenv("TMPDIR"); dir != "" {
		return dir
	}
	if unix.Access("/var/tmp", unix.W_OK) == nil {
		return "/var/tmp"
	}
	return "/tmp"
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
