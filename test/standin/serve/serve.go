package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gptpipe/test/standin"
)

// options are what was typed.
type options struct {
	addr, faults, readyFile, logFile string
	latency, lifetime                time.Duration
	rps                              float64
	batchPolls                       int
	untilStdinCloses                 bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	f := flag.NewFlagSet("serve", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.addr, "addr", "127.0.0.1:0", "`address` to listen on")
	f.StringVar(&o.faults, "faults", "", "what goes wrong: a `script` as the package comment of test/standin has it")
	f.DurationVar(&o.latency, "latency", 0, "wait before every answer")
	f.DurationVar(&o.lifetime, "for", 10*time.Minute, "end after this time in any case")
	f.StringVar(&o.readyFile, "ready-file", "", "`file` that appears, with the base URL in it, once requests are taken")
	f.StringVar(&o.logFile, "log", "", "`file` for the requests, JSON Lines, each written before its answer has ended")
	f.Float64Var(&o.rps, "rps", 0, "answer 429 to more requests a second than this")
	f.IntVar(&o.batchPolls, "batch-polls", 0, "how often the state of a batch is asked for until it ends; 3 if 0")
	f.BoolVar(&o.untilStdinCloses, "until-stdin-closes", false, "end when stdin does, and so with the parent process")
	err := f.Parse(args)
	if err == nil && f.NArg() > 0 {
		err = fmt.Errorf("no operands are taken, not even %q", f.Arg(0))
		fmt.Fprintln(stderr, "serve:", err)
	}
	return o, err
}

// run serves until ctx ends, the time is over, or stdin closes where that was asked for.
func run(ctx context.Context, args []string, stdin io.Reader, stderr io.Writer) int {
	o, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if err := serve(ctx, o, stdin, stderr); err != nil {
		fmt.Fprintln(stderr, "serve:", err)
		return 1
	}
	return 0
}

func serve(ctx context.Context, o options, stdin io.Reader, stderr io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, o.lifetime)
	defer cancel()
	cfg := standin.Config{Addr: o.addr, Latency: o.latency, RPS: o.rps}
	if cfg.Faults, err = standin.ParseFaults(o.faults); err != nil {
		return err
	}
	cfg.Batches = func(standin.BatchCall) standin.Fate { return standin.Fate{Polls: o.batchPolls} }
	if o.logFile != "" {
		f, err := os.OpenFile(o.logFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		cfg.Done = func(r standin.Request) { logRequest(f, r) }
	}
	s, err := standin.Start(cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Fprintf(stderr, "serve: a stand-in for the OpenAI API listens at %s; no model is asked, its answers are invented\n", s.URL())
	if o.readyFile != "" {
		if err := writeWhole(o.readyFile, s.URL()+"\n"); err != nil {
			return err
		}
	}
	if o.untilStdinCloses {
		go func() {
			io.Copy(io.Discard, stdin)
			cancel()
		}()
	}
	<-ctx.Done()
	return nil
}

// logRequest writes a request without its key: the log of a demonstration may be shown around.
func logRequest(w io.Writer, r standin.Request) {
	for _, name := range []string{"Authorization", "Api-Key"} {
		if value := r.Header.Get(name); value != "" {
			r.Header = r.Header.Clone()
			r.Header.Set(name, "…"+value[max(0, len(value)-4):])
		}
	}
	json.NewEncoder(w).Encode(r)
}

// writeWhole makes a file appear with all its content.
func writeWhole(path, content string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".ready-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if _, err := f.WriteString(content); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
