package main

import (
	"bufio"
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
	out   *bufio.Writer
	line  []byte // memory for the next one
	bad   bool   // a record was left out
}

func run(_ context.Context, sys *cli.System) error {
	flags := cli.NewFlags()
	c := &chunker{sys: sys, out: bufio.NewWriterSize(sys.Stdout, bufferSize)}
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

const bufferSize = 64 << 10

// flushFirst is an input that sends on what has been written before it waits
// for more, so that a live stream comes out as far as it is known.
type flushFirst struct {
	in  io.Reader
	out *bufio.Writer
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
	err := c.divide(in, c.names.Unique(name), nil)
	var invalid *chunk.InvalidUTF8Error
	if errors.As(err, &invalid) {
		err = cli.WithHint(err, "--replace-invalid reads it as U+FFFD")
	}
	return err
}

// divide writes the chunks of a document, each added to a copy of base, if that
// is not nil.
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
		if base == nil {
			c.line = appendPart(c.line[:0], doc, part)
		} else {
			rec := *base
			addPart(&rec, doc, part)
			c.line = append(c.line[:0], rec.Bytes()...)
		}
		if err := c.writeLine(); err != nil {
			return err
		}
	}
}

// writeLine writes c.line and a newline.
func (c *chunker) writeLine() error {
	c.line = append(c.line, '\n')
	_, err := c.out.Write(c.line)
	return err
}
