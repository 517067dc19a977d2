package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/client"
	"gptpipe/pkg/cost"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/ordered"
	"gptpipe/pkg/prompt"
	"gptpipe/pkg/record"
)

// windowPerJob is how many records are held for each job, so that one slow
// answer at the head does not stop the rest at once.
const windowPerJob = 8

// embeddingsPerJob is how many texts are at hand for each request, which takes
// many.
const (
	embeddingsPerJob = 128
	mostEmbeddings   = 4096
)

// ballastSize is about how much garbage may come together, in bytes.
const ballastSize = 32 << 20

// maxJobs is more than a process has descriptors for; beyond lie typing errors.
const maxJobs = 100_000

// options are the flags of gpt-map alone.
type options struct {
	prompt    string
	in, out   string
	raw       bool
	jobs      cli.Count
	unordered bool
	meta      bool
	progress  cli.Choice

	output      string
	allowFailed bool
	retryFailed bool
	halt        halt

	maxCost dollars
	prices  string
	dryRun  bool

	embed bool
	batch bool

	format cli.Choice
}

func (o *options) register(f *cli.Flags) {
	f.StringVar(&o.prompt, "prompt", "", "")
	f.StringVar(&o.in, "in", "", "")
	f.StringVar(&o.out, "out", "response", "")
	f.BoolVar(&o.raw, "raw-input", false, "")
	o.jobs = cli.Count{N: 16, Min: 1, Max: maxJobs}
	f.Var(&o.jobs, "jobs", "")
	f.BoolVar(&o.unordered, "unordered", false, "")
	f.BoolVar(&o.meta, "meta", false, "")
	o.progress = cli.Choice{Value: "auto", Of: []string{"auto", "always", "never"}}
	f.Var(&o.progress, "progress", "")

	f.StringVar(&o.output, "output", "", "")
	f.BoolVar(&o.allowFailed, "allow-failed", false, "")
	f.BoolVar(&o.retryFailed, "retry-failed", false, "")
	f.Var(&o.halt, "halt", "")
	f.Var(&o.maxCost, "max-cost", "")
	f.StringVar(&o.prices, "prices", "", "")
	f.BoolVar(&o.dryRun, "dry-run", false, "")
	f.BoolVar(&o.embed, "embed", false, "")
	f.BoolVar(&o.batch, "batch", false, "")
	o.format = cli.Choice{Value: "records", Of: []string{"records", "batch"}}
	f.Var(&o.format, "format", "")

	f.Letter('p', "prompt")
	f.Letter('o', "output")
	f.Letter('R', "raw-input")
	f.Letter('j', "jobs")
}

func run(ctx context.Context, sys *cli.System) error {
	flags := cli.NewFlags()
	var o options
	var api client.Flags
	o.register(flags)
	api.Register(flags)
	files, err := flags.Parse(sys.Args)
	if err != nil {
		return err
	}
	p, err := o.parsePrompt()
	if err != nil {
		return err
	}
	if err := o.checkFormat(); err != nil {
		return err
	}
	if o.batch && (o.maxCost.Nano != 0 || o.halt.given != "") {
		return cli.WithHint(cli.Usagef("--batch goes with neither --max-cost nor --halt: what is submitted is paid for"), "--dry-run says what it may cost")
	}
	if len(files) == 0 && cli.IsTerminal(sys.Stdin) {
		return cli.WithHint(cli.Usagef("no input"), "pipe records in, name a FILE, or say - to type them")
	}

	drain := cli.NewDrain(ctx)
	defer drain.Close()
	var money *till
	c, err := client.New(sys, drain, flags, &api, client.Options{
		Jobs:  o.jobs.N,
		Dry:   o.dryRun,
		Embed: o.embed,
		Meter: func(p llm.Params) (func(llm.Completer) llm.Completer, error) {
			var err error
			if money, err = openTill(o.prices, p, o.batch); err != nil {
				return nil, err
			}
			return money.limit(o.maxCost.Nano, p)
		},
	})
	if err != nil {
		return err
	}
	defer c.Close()
	in, err := cli.OpenInputs(sys, files)
	if err != nil {
		return err
	}
	defer in.Close()
	m := &mapper{
		sys:    sys,
		drain:  drain,
		client: c,
		o:      o,
		prompt: p,
		source: &source{in: in, raw: o.raw},
		money:  money,
	}
	if o.dryRun {
		return m.dryRun()
	}
	out, err := openOutput(sys, o.output, c.Refreshes(), o.batch)
	if err != nil {
		return err
	}
	if out.journal != nil {
		c.Journal(out.journal)
	}
	m.output, m.out = out, record.NewWriter(out)
	// What is held is little, and what is dropped is much: at fifty thousand records a second the collector would run a
	// hundred times a second. It takes this for held, and runs a tenth as often; no page of it is ever touched.
	ballast := make([]byte, ballastSize)
	defer runtime.KeepAlive(ballast)
	stop := m.showProgress(in)
	if o.batch {
		err = m.runBatch()
	} else {
		err = m.mapAll()
	}
	stop()
	err = m.outcome(err)
	if err == nil || o.allowFailed && cli.StatusOf(err) == cli.StatusIncomplete {
		if failed := out.commit(); failed != nil {
			err = failed
		}
	}
	if failed := out.close(); failed != nil && err == nil {
		err = failed
	}
	return err
}

// mapAll has the records answered one by one, many at once.
func (m *mapper) mapAll() error {
	jobs, window := m.o.jobs.N, windowPerJob
	if m.o.embed { // vectors are large, and come many at a time
		jobs, window = min(jobs*embeddingsPerJob, mostEmbeddings), 1
	}
	return ordered.Map(m.drain.Soft, ordered.Options{
		Jobs:      jobs,
		Window:    window * jobs,
		Unordered: m.o.unordered,
	}, m.source.next, m.work, m)
}

func (o *options) parsePrompt() (*prompt.Prompt, error) {
	if o.out == "" {
		return nil, cli.Usagef("--out is empty")
	}
	text, err := cli.Text(o.prompt)
	if err != nil {
		return nil, cli.Usagef("--prompt: %w", err)
	}
	p, err := prompt.Parse(text)
	if err != nil {
		return nil, cli.Usagef("--prompt: %w", err)
	}
	return p, nil
}

// outcome turns how the run ended into an exit status; of several reasons the
// first of interrupted, I/O, refused, stopped early, records failed.
func (m *mapper) outcome(err error) error {
	if cause := context.Cause(m.drain.Soft); cause != nil {
		err = cause
	}
	var stop *cli.Interrupt
	var out *cli.OutputError
	var exceeded *cost.ExceededError
	switch {
	case errors.As(err, &stop):
		m.sys.Log.Infof("interrupted after %d records%s", m.written, m.howToGoOn())
	case errors.As(err, &out):
	case errors.As(err, &exceeded):
		m.sys.Log.Infof("stopped after %d records%s", m.written, m.howToGoOn())
		err = cli.WithHint(cli.Failf(cli.StatusStopped, "%w", err), "%s", exceeded.Hint())
	case err != nil:
		err = client.Failure(err)
		if s := cli.StatusOf(err); s == cli.StatusRefused || s == cli.StatusStopped {
			m.sys.Log.Infof("stopped after %d records%s", m.written, m.howToGoOn())
		}
	case m.failed > 0:
		m.sys.Log.Warnf("%d of %d records failed%s", m.failed, m.written, m.withheld())
		err = cli.Quiet(cli.StatusIncomplete)
	}
	return err
}

func (m *mapper) howToGoOn() string {
	switch {
	case m.output.journal != nil:
		return fmt.Sprintf("; answers are kept in %s, run again to go on", m.output.partial())
	case m.client.Caches():
		return "; answers are kept in the cache, run again to go on"
	}
	return ""
}

// withheld says what became of the output file when records have failed.
func (m *mapper) withheld() string {
	if m.output.journal == nil || m.o.allowFailed {
		return ""
	}
	return fmt.Sprintf(", so %s is not written: run again to ask for them, or with --allow-failed", m.output.path)
}
