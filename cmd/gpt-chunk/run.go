package main

import (
	"context"
	"errors"
	"io"

	"gptpipe/pkg/chunk"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/record"
)

// A chunker divides inputs and writes records.
type chunker struct {
	sys   *cli.System
	o     options
	opt   chunk.Options
	names chunk.Names
	out   *record.Writer
	bad   bool // a record was left out
}

func run(_ context.Context, sys *cli.System) error {
	flags := cli.NewFlags()
	c := &chunker{sys: sys, out: record.NewWriter(sys.Stdout)}
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
	ok, err := cli.EachInput(sys, files, func(name string, in io.Reader) error {
		return read(name, flushFirst{in, c.out})
	})
	if err == nil {
		err = c.out.Flush()
	}
	if err == nil && (!ok || c.bad) {
		err = cli.Quiet(cli.StatusFailed)
	}
	return err
}

// flushFirst is an input that sends on what has been written before it waits
// for more, so that a live stream comes out as far as it is known.
type flushFirst struct {
	in  io.Reader
	out *record.Writer
}

func (r flushFirst) Read(p []byte) (int, error) {
	if err := r.out.Flush(); err != nil {
		return 0, err
	}
	return r.in.Read(p)
}

// file divides a file of text.
func (c *chunker) file(name string, in io.Reader) error {
	if c.o.name != "" {
		name = c.o.name
	}
	err := c.divide(in, c.names.Unique(name), record.Record{})
	var invalid *chunk.InvalidUTF8Error
	if errors.As(err, &invalid) {
		err = cli.WithHint(err, "--replace-invalid reads it as U+FFFD")
	}
	return err
}

// divide writes the chunks of a document, each added to a copy of base.
func (c *chunker) divide(in io.Reader, doc string, base record.Record) error {
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
		rec := base
		id := record.AppendInt(append([]byte(doc), '#'), int64(part.Seq))
		rec.Set("id", record.AppendString(nil, string(id)))
		rec.Set("doc", record.AppendString(nil, doc))
		rec.Set("seq", record.AppendInt(nil, int64(part.Seq)))
		rec.Set("start", record.AppendInt(nil, part.Start))
		rec.Set("end", record.AppendInt(nil, part.End))
		rec.Set("tokens", record.AppendInt(nil, int64(part.Tokens)))
		rec.Set("text", record.AppendString(nil, part.Text))
		if part.Last {
			rec.Set("last", []byte("true"))
		}
		if err := c.out.Write(&rec); err != nil {
			return err
		}
	}
}
