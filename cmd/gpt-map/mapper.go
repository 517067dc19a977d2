package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/client"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/prompt"
	"gptpipe/pkg/record"
	"gptpipe/pkg/wire"
)

// maxTold is how many failed records are told one by one.
const maxTold = 20

// A mapper answers records and writes them.
type mapper struct {
	sys    *cli.System
	drain  *cli.Drain
	client *client.Client
	o      options
	prompt *prompt.Prompt
	source *source
	output *output
	out    *record.Writer

	money    *till
	progress *progress // nil: none is shown
	asked    []string  // the flags that say what is asked, and the operands
	batches  string    // the folder of --batch

	written, failed, paid int // touched by the writing goroutine alone
	inFlight              atomic.Int64
	done, errors          atomic.Int64 // for the progress line: records that need not be written yet, for one before them is missing
	cached                atomic.Int64
	ended, wrong          atomic.Int64 // what --halt judges: records of which this run has found out what comes of them, and those that failed
}

// A result is a record to write, whether it carries an error, and why if it failed here.
type result struct {
	record record.Record
	failed bool
	why    error
	old    bool // it was stored, or passes unasked
	paid   bool // it failed with an answer, which is stored
}

// work answers one record, and ends the run if too many have failed: in this run, for what failed in an earlier one
// would end each further one at the same place.
func (m *mapper) work(ctx context.Context, it item) (result, error) {
	r, err := m.answer(ctx, it)
	if err != nil {
		return r, err
	}
	m.done.Add(1)
	if r.failed {
		m.errors.Add(1)
	}
	if !r.old {
		m.judge(r.why != nil)
	}
	return r, nil
}

// judge counts a record for --halt, and ends the run if too many have failed.
func (m *mapper) judge(failed bool) {
	wrong := m.wrong.Load()
	if failed {
		wrong = m.wrong.Add(1)
	}
	if ended := m.ended.Add(1); m.o.halt.reached(wrong, ended) {
		err := cli.Failf(cli.StatusStopped, "--halt %s: %d of %d records have failed", m.o.halt.given, wrong, ended)
		m.end(cli.WithHint(err, "mend what made them fail, or give a higher --halt, before it is run again"))
	}
}

// question makes the request for a record, or says what comes of it unasked. An
// error ends the run.
func (m *mapper) question(it item) (*llm.Request, result, error) {
	if m.o.format.Value == "batch" {
		return m.lineQuestion(it)
	}
	r := it.record
	unasked := func(r result) (*llm.Request, result, error) { return nil, r, nil }
	if it.bad != nil {
		return unasked(result{record: r, failed: true, why: it.bad})
	}
	kind, failed := r.Failed()
	if _, answered := r.Get(m.o.out); m.o.retryFailed && answered && !failed {
		return unasked(result{record: r})
	}
	in := r.Current(m.o.in)
	_, hasInput := r.Get(in)
	switch {
	case m.o.retryFailed && failed && (hasInput || m.o.in == "" && m.prompt.IsTemplate() && kind != "bad_input"):
		r.Delete("error")
		if aboutFailure(&r, kind) {
			r.Delete("gpt")
		}
	case failed && (!hasInput || m.o.in == "" && in == "text"):
		// It failed in an earlier stage: what it lacks is a response, and its
		// text is not what this stage is to be asked about. Or it stands for a
		// line that is no record.
		return unasked(result{record: r, failed: true})
	case !hasInput && (m.o.in != "" || !m.prompt.IsTemplate()):
		if e, has := r.Get("error"); has && string(e) != "null" {
			return unasked(result{record: r, failed: true}) // of an earlier stage that is none of these commands
		}
		return unasked(m.fail(r, record.Error{Type: "bad_input", Message: fmt.Sprintf("the record has no field %q", in)}))
	}
	question, err := m.prompt.Make(&r, in)
	if err != nil {
		return unasked(m.fail(r, record.Error{Type: "template", Message: err.Error()}))
	}
	req, err := m.client.Request(llm.Message{Role: "user", Content: question})
	if err != nil {
		return nil, result{}, err
	}
	req.Again = m.o.retryFailed
	return req, result{record: r}, nil
}

// aboutFailure reports whether the field gpt of a record that failed, as kind, is
// about the answer that was refused, cut or held back, and not about one of an
// earlier stage.
func aboutFailure(r *record.Record, kind string) bool {
	var gpt struct {
		FinishReason string `json:"finish_reason"`
	}
	value, ok := r.Get("gpt")
	return ok && json.Unmarshal(value, &gpt) == nil && (kind == string(llm.Refusal) || gpt.FinishReason == "length" || gpt.FinishReason == "content_filter")
}

// answer answers one record. An error ends the run: the record has not been
// answered, and none will be.
func (m *mapper) answer(ctx context.Context, it item) (result, error) {
	req, before, err := m.question(it)
	if err != nil {
		return result{}, m.end(err)
	}
	if req == nil {
		before.old = before.why == nil
		return before, nil
	}
	m.inFlight.Add(1)
	resp, err := m.client.Complete(ctx, req)
	m.inFlight.Add(-1)
	r, err := m.answered(before.record, resp, err)
	r.old = resp != nil && resp.Cached
	return r, err
}

// answered is what comes of a record of which the question ended so.
func (m *mapper) answered(r record.Record, resp *llm.Response, err error) (result, error) {
	var e *llm.Error
	var wait *llm.WaitError
	switch {
	case err == nil:
		if resp.Cached {
			m.cached.Add(1)
		} else if m.progress != nil {
			input, output := resp.Tokens()
			m.progress.tokens.Add(int64(input + output))
		}
		if m.o.format.Value == "batch" {
			return m.lineAnswered(r, resp, nil)
		}
		return m.succeed(r, resp), nil
	case errors.As(err, &wait):
		return result{}, m.end(err)
	case errors.As(err, &e) && !e.Final() && m.o.format.Value == "batch":
		return m.lineAnswered(r, resp, e)
	case errors.As(err, &e) && !e.Final():
		return m.failure(r, e, resp), nil
	}
	return result{}, m.end(err)
}

// failure is a record whose question failed for good.
func (m *mapper) failure(r record.Record, e *llm.Error, resp *llm.Response) result {
	failed := m.fail(r, record.Error{Type: string(e.Type), Code: e.Code, Status: e.Status, Message: e.Message})
	m.addMeta(&failed.record, resp)
	failed.paid = resp != nil
	return failed
}

// end stops the run because of err: answers in flight are taken in.
func (m *mapper) end(err error) error {
	m.drain.End(stopping(err), 0)
	return err
}

func (m *mapper) succeed(r record.Record, resp *llm.Response) result {
	value := []byte(resp.Text)
	switch {
	case m.o.embed:
		var err error
		if value, err = wire.VectorJSON(resp.Text); err != nil { // of the cache, for those of servers are checked
			return m.fail(r, record.Error{Type: string(llm.BadResponse), Message: "the stored embedding is damaged; --refresh asks again"})
		}
	case !m.client.WantsJSON():
		value = record.AppendString(nil, resp.Text)
	}
	if _, failed := r.Failed(); failed {
		r.Delete("error")
	}
	r.Set(m.o.out, value)
	m.addMeta(&r, resp)
	return result{record: r}
}

func (m *mapper) fail(r record.Record, e record.Error) result {
	// The error stands in place of a response, also that of an earlier stage,
	// which must not pass for this one's. Any other field is the user's own.
	if m.o.out == "response" {
		r.Delete("response")
	}
	r.Set("error", e.JSON())
	return result{record: r, failed: true, why: fmt.Errorf("line %d: %s: %s", r.Line, e.Type, e.Message)}
}

func (m *mapper) addMeta(r *record.Record, resp *llm.Response) {
	if !m.o.meta || resp == nil {
		return
	}
	var usage bytes.Buffer
	if json.Compact(&usage, resp.Usage) != nil {
		usage.Reset()
		usage.WriteString("null")
	}
	out := append([]byte(nil), `{"model":`...)
	out = record.AppendString(out, resp.Model)
	out = append(out, `,"finish_reason":`...)
	out = record.AppendString(out, resp.FinishReason)
	out = append(out, `,"usage":`...)
	out = append(out, usage.Bytes()...)
	out = fmt.Appendf(out, `,"cached":%t,"attempts":%d,"ms":%d,"request_id":`, resp.Cached, resp.Attempts, resp.Elapsed.Milliseconds())
	out = record.AppendString(out, resp.RequestID)
	r.Set("gpt", append(out, '}'))
}

// Write writes one result, for ordered.Map.
func (m *mapper) Write(r result) error {
	if err := m.out.Write(&r.record); err != nil {
		return m.outputFailed(err)
	}
	m.written++
	if !r.failed {
		return nil
	}
	m.failed++
	if r.paid {
		m.paid++
	}
	switch {
	case r.why == nil:
	case m.failed <= maxTold:
		m.sys.Log.Errorf("%v", r.why)
	case m.failed == maxTold+1:
		m.sys.Log.Errorf("more records failed; they are told in their own error field")
	}
	return nil
}

// Flush sends on what has been written, for ordered.Map.
func (m *mapper) Flush() error {
	if err := m.out.Flush(); err != nil {
		return m.outputFailed(err)
	}
	return nil
}

// outputFailed ends the run when nobody takes the output: no further request
// is started, and what is in flight is taken in and cached for a moment.
func (m *mapper) outputFailed(err error) error {
	var out *cli.OutputError
	if errors.As(err, &out) {
		m.drain.End(err, cli.GracePipe)
	} else { // the file of -o, and the journal may take more
		m.drain.End(err, 0)
	}
	return err
}
