package main

import (
	"context"
	"errors"
	"io"

	"gptpipe/pkg/chunk"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/panics"
	"gptpipe/pkg/record"
)

// A chunker divides inputs.
type chunker struct {
	sys   *cli.System
	o     options
	opt   chunk.Options
	names chunk.Names
	batch batch // what has been divided and not sent to be written
	out   chan<- batch
	bad   bool // a record was left out
}

func run(_ context.Context, sys *cli.System) error {
	flags := cli.NewFlags()
	out := make(chan batch)
	c := &chunker{sys: sys, out: out}
	c.o.register(flags)
	files, err := flags.Parse(sys.Args)
	if err != nil {
		return err
	}
	if c.opt, err = c.o.resolve(flags); err != nil {
		return err
	}
	if len(files) == 0 && cli.IsTerminal(sys.Stdin) {
		return cli.WithHint(cli.Usagef("no input"), "pipe text in, name a FILE, or say - to type it")
	}

	read := c.file
	if c.o.jsonl {
		read = c.records
	}
	var ok bool
	panics.Go(func() {
		defer close(out)
		ok, err = cli.EachInput(sys, files, func(name string, in io.Reader) error {
			return read(name, sendFirst{in, c})
		})
		c.send()
	})
	// An output that is closed ends it even while an input is waited for.
	if err := writeAll(sys.Stdout, out); err != nil {
		return err
	}
	if err == nil && (!ok || c.bad) {
		err = cli.Quiet(cli.StatusFailed)
	}
	return err
}

// sendFirst is an input that has what was divided written before it waits for
// more, so that a live stream comes out as far as it is known.
type sendFirst struct {
	in io.Reader
	c  *chunker
}

func (r sendFirst) Read(p []byte) (int, error) {
	r.c.send()
	return r.in.Read(p)
}

// file divides a file of text.
func (c *chunker) file(name string, in io.Reader) error {
	if c.o.name != "" {
		name = c.o.name
	}
	err := c.divide(in, c.names.Unique(name), nil)
	var invalid *chunk.InvalidUTF8Error
	if errors.As(err, &invalid) {
		err = cli.WithHint(err, "--replace-invalid reads it as U+FFFD")
	}
	return err
}

// divide makes the chunks of a document, each to be added to a copy of base, if
// that is not nil.
func (c *chunker) divide(in io.Reader, doc string, base *record.Record) error {
	s, err := chunk.New(in, c.opt)
	if err != nil {
		return err
	}
	for {
		part, err := s.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		c.add(line{part, doc, base}, len(part.Text))
	}
}
