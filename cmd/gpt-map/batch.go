package main

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/client"
	"gptpipe/pkg/cost"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/price"
)

// resubmits is how often a request that expired is put into a further batch.
const resubmits = 2

// A batchRun is what a run of the Batch API has beside the mapper.
type batchRun struct {
	*mapper
	kept    *client.Kept
	counter *cost.Counter

	reserved price.Nano   // the most that what is submitted may cost
	passed   atomic.Int64 // records that nothing is submitted for
}

// runBatch has the records answered by the provider's Batch API.
func (m *mapper) runBatch() error {
	var err error
	if m.batches, err = m.batchDir(); err != nil {
		return err
	}
	b := &batchRun{mapper: m, kept: m.client.Kept(), counter: cost.NewCounter(m.client.Model())}
	job := m.client.BatchJob()
	job.Dir = m.batches
	job.Anew = b.anew()
	job.Resubmit = resubmits
	job.Requests = b.requests()
	job.Took = b.took
	job.Emit = b.result
	job.Report = b.report()
	job.Warn = func(err error) { m.sys.Log.Warnf("%v", err) }
	if m.o.maxCost.Nano != 0 {
		job.Reserve = b.reserve
	}
	err = m.batchFailed(job.Dir, b.notAll(batch.Run(m.drain.Soft, job)))
	if flushed := m.Flush(); err == nil {
		err = flushed
	}
	return err
}

// anew names the flags that have stored answers asked for anew.
func (b *batchRun) anew() string {
	var flags []string
	if b.client.Refreshes() {
		flags = append(flags, "refresh")
	}
	if b.o.retryFailed {
		flags = append(flags, "retry-failed")
	}
	return strings.Join(flags, " ")
}

// batchFailed says what to do about an error of batches whose folder is dir.
func (m *mapper) batchFailed(dir string, err error) error {
	var lost *batch.LostError
	switch {
	case errors.As(err, &lost):
		first := "run again to look for it once more"
		switch {
		case errors.Is(err, batch.ErrDamaged):
			first = "put the file back as it was"
		case errors.Is(err, batch.ErrUnknown):
			first += ", or see whether the provider's own pages list a batch of that file"
		}
		err = cli.WithHint(err, "%s; or, to have just the requests of that batch submitted anew, and paid for again, remove %s", first, strings.Join(quoted(lost.Files), " "))
	case errors.Is(err, batch.ErrDamaged):
		err = damagedState(fmt.Errorf("--batch: %w", err), dir)
	case errors.Is(err, batch.ErrInUse):
		err = cli.WithHint(cli.Usagef("--batch: %w", err), "another job of the same kind needs an output file of its own, with -o")
	case errors.Is(err, batch.ErrForeign):
		err = cli.WithHint(cli.Usagef("--batch: %s: %w", dir, err), "collect them from there, or remove the folder")
	}
	return err
}

// damagedState is the error of a folder of batches of which nobody can say what has been submitted.
func damagedState(err error, dir string) error {
	return cli.WithHint(err, "put the file back as it was; or, to have all that is submitted and not collected submitted anew, and paid for again, remove %s", quoted([]string{dir})[0])
}

// quoted are files, or patterns that end in a star, as a shell takes them.
func quoted(patterns []string) []string {
	var all []string
	for _, p := range patterns {
		if name := strings.TrimSuffix(p, "*"); strings.ContainsAny(name, " \t\n'\"\\$`*?[]{}()<>|&;!#~") {
			p = "'" + strings.ReplaceAll(name, "'", `'\''`) + "'" + p[len(name):]
		}
		all = append(all, p)
	}
	return all
}

// took keeps an answer, and counts what it cost and whether it is one.
func (b *batchRun) took(o batch.Outcome) error {
	b.settle(o)
	if !o.Again {
		b.judge(o.Err != nil)
	}
	if o.Response == nil {
		return nil
	}
	if !o.Again {
		b.client.Billed(o.Model, o.Response)
	}
	req := &llm.Request{Model: o.Model, Body: o.Body, Sample: b.client.Sample(), Again: b.o.retryFailed && o.Anew == b.anew()}
	return b.kept.Keep(b.drain.Soft, req, o.Response)
}

// result writes what became of a record.
func (b *batchRun) result(got batch.Result) error {
	r, err := unpacked(got.Data)
	switch {
	case err != nil:
		return err
	case !got.Asked:
	case got.Err != nil && got.Err.Final():
		return got.Err
	case got.Err != nil:
		r = b.failure(r.record, got.Err, got.Response)
	default:
		r = b.succeed(r.record, got.Response)
	}
	return b.Write(r)
}

// report tells of each batch when its state changes; a batch may take a day.
func (b *batchRun) report() func(batch.Progress) {
	states := map[string]string{}
	return func(p batch.Progress) {
		_ = b.Flush() // a failure ends the run
		if b.progress != nil {
			b.progress.batch.Store(&batchProgress{p, b.passed.Load()})
		}
		for _, s := range p.Batches {
			if s.ID == "" || states[s.ID] == s.State {
				continue
			}
			states[s.ID] = s.State
			b.sys.Log.Infof("%s: %s, %d of %d done", s.ID, strings.ReplaceAll(s.State, "_", " "), s.Completed+s.Failed, s.Requests)
		}
	}
}
