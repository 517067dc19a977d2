package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"syscall"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/client"
	"gptpipe/pkg/cost"
	"gptpipe/pkg/journal"
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

	f.StringVar(&o.output, "output", "-", "")
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
	cli.Protect()
	flags := cli.NewFlags()
	var o options
	var api client.Flags
	o.register(flags)
	api.Register(flags)
	files, err := flags.Parse(sys.Args)
	if err != nil {
		return err
	}
	asked := append(flags.Typed(howNotWhat), files...)
	p, err := o.parsePrompt()
	if err != nil {
		return err
	}
	if err := o.checkFormat(flags); err != nil {
		return err
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
		Lines: o.format.Value == "batch",
		Meter: func(p llm.Params) (func(llm.Completer) llm.Completer, error) {
			if o.format.Value == "batch" {
				money = new(till)
				return func(next llm.Completer) llm.Completer { return next }, nil
			}
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
	if money.table != nil {
		c.SetPrices(money.table)
	}
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
		asked:  asked,
	}
	if o.dryRun {
		return m.dryRun()
	}
	out, err := openOutput(sys, o.output, c.Refreshes(), o.batch, o.inFlight())
	if err != nil {
		return err
	}
	if out.journal != nil {
		c.Journal(out.journal)
		out.journal.Rescue(func(err error) {
			_ = m.end(&journal.WriteError{Err: err})
			out.giveUp()
		})
	}
	m.output, m.out = out, record.NewWriter(out)
	// What is held is little, and what is dropped is much: at fifty thousand records a second the collector would run a
	// hundred times a second. It takes this for held, and runs a tenth as often; no page of it is ever touched.
	ballast := make([]byte, ballastSize)
	defer runtime.KeepAlive(ballast)
	if out.path == "" {
		drain.Watch(sys.Stdout)
	}
	stop := m.showProgress(in)
	if o.batch {
		err = m.runBatch()
	} else {
		err = m.mapAll()
	}
	stop()
	err = m.outcome(err)
	if err == nil || o.allowFailed && cli.StatusOf(err) == cli.StatusIncomplete {
		if failed := m.commit(); failed != nil {
			err = failed
		}
	}
	if failed := out.close(); failed != nil {
		err = drain.Reason(err, failed)
	}
	if err == nil || cli.StatusOf(err) == cli.StatusIncomplete {
		if failed := m.forgetBatches(); failed != nil {
			err = failed
		}
	}
	return err
}

// commit lets the output appear. A file without records may come of a pipe whose beginning failed, so it is said, and
// the answers that are in the journal stay there.
func (m *mapper) commit() error {
	out := m.output
	if m.written > 0 || out.journal == nil {
		return out.commit(false)
	}
	if out.journal.Found() == 0 {
		m.sys.Log.Warnf("there were no records, and %s is empty", out.path)
		return out.commit(false)
	}
	m.sys.Log.Warnf("there were no records, and %s is empty; the answers of earlier runs stay in %s", out.path, out.partial())
	return out.commit(true)
}

// mapAll has the records answered one by one, many at once.
func (m *mapper) mapAll() error {
	jobs, window := m.o.inFlight(), windowPerJob
	if m.o.embed { // vectors are large, and come many at a time
		window = 1
	}
	return ordered.Map(m.drain.Soft, ordered.Options{
		Jobs:      jobs,
		Window:    window * jobs,
		Unordered: m.o.unordered,
	}, m.next, m.work, m)
}

// next is the next item; why there is none is a reason beside others that come
// until what was read is done.
func (m *mapper) next() (item, error) {
	it, err := m.source.next()
	if err != nil && !errors.Is(err, io.EOF) {
		m.drain.Note(err)
	}
	return it, err
}

// inFlight is how many records are asked about at once.
func (o *options) inFlight() int {
	if o.embed {
		return min(o.jobs.N*embeddingsPerJob, mostEmbeddings)
	}
	return o.jobs.N
}

func (o *options) parsePrompt() (*prompt.Prompt, error) {
	if o.out == "" {
		return nil, cli.Usagef("--out is empty")
	}
	if o.out == "gpt" && o.meta {
		return nil, cli.Usagef("--out gpt would be overwritten by what --meta adds")
	}
	if o.output == "" { // as when a script's variable is
		return nil, cli.Usagef("--output is empty")
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

// outcome turns how the run ended into an exit status: of several reasons the
// weightiest, and only without any that records failed.
func (m *mapper) outcome(err error) error {
	err = m.drain.Reason(stopping(err))
	var stop *cli.Interrupt
	var out *cli.OutputError
	if n := m.output.lost(); n > 0 && !m.o.batch { // the results of batches can be fetched again
		m.sys.Log.Errorf("%s", m.unwritten(n))
	}
	switch {
	case errors.As(err, &stop):
		m.sys.Log.Infof("interrupted after %s%s", records(m.written), m.howToGoOn())
	case errors.As(err, &out):
	case err != nil:
		if s := cli.StatusOf(err); s == cli.StatusRefused || s == cli.StatusStopped || m.output.journal != nil && s != cli.StatusUsage {
			m.sys.Log.Infof("stopped after %s%s", records(m.written), m.howToGoOn())
		}
	case m.failed > 0:
		m.sys.Log.Warnf("%d of %s failed%s", m.failed, records(m.written), m.withheld())
		err = cli.Quiet(cli.StatusIncomplete)
	}
	return err
}

// stopping gives an error that ends the run its exit status.
func stopping(err error) error {
	var exceeded *cost.ExceededError
	var full *journal.FullError
	switch {
	case errors.As(err, &exceeded):
		return cli.WithHint(cli.Failf(cli.StatusStopped, "%w", err), "%s", exceeded.Hint())
	case errors.Is(err, syscall.EFBIG) && errors.As(err, &full):
		return cli.WithHint(fmt.Errorf("-o: %w", err), "raise ulimit -f, and run again to go on")
	case errors.As(err, &full):
		return cli.WithHint(fmt.Errorf("-o: %w", err), "make room there for twice as much at least, since the output takes it too, and run again to go on")
	}
	return client.Failure(err)
}

func records(n int) string {
	if n == 1 {
		return "1 record"
	}
	return fmt.Sprintf("%d records", n)
}

// unwritten tells of answers that were paid for and are not in the journal.
func (m *mapper) unwritten(n int) string {
	what := "1 answer that was paid for is"
	if n != 1 {
		what = fmt.Sprintf("%d answers that were paid for are", n)
	}
	if m.client.Caches() {
		return fmt.Sprintf("%s not in %s; the next run looks for what is missing there in the cache", what, m.output.partial())
	}
	return fmt.Sprintf("%s not in %s, and will be paid for again", what, m.output.partial())
}

func (m *mapper) howToGoOn() string {
	switch {
	case m.batchesNoted():
		return fmt.Sprintf("; what is submitted is noted in %s, run again to go on", m.batches)
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
	stored := ""
	switch {
	case m.paid > 0 && m.o.retryFailed:
		stored = " (but what the model cut or refused again is kept)"
	case m.paid > 0:
		stored = " (for what the model cut or refused, with --retry-failed)"
	}
	return fmt.Sprintf(", so %s is not written: run again to ask for them%s, or with --allow-failed", m.output.path, stored)
}
