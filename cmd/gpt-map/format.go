package main

import (
	"bytes"
	"encoding/json"
	"fmt"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
)

// checkFormat refuses what makes no sense with the lines of the Batch API, which
// say themselves what is asked.
func (o *options) checkFormat() error {
	if o.format.Value != "batch" {
		return nil
	}
	for _, f := range []struct {
		given bool
		flag  string
	}{
		{o.prompt != "", "--prompt"},
		{o.in != "", "--in"},
		{o.out != "response", "--out"},
		{o.raw, "--raw-input"},
		{o.meta, "--meta"},
		{o.retryFailed, "--retry-failed"},
		{o.embed, "--embed"},
		{o.batch, "--batch"},
		{o.maxCost.Nano != 0, "--max-cost"}, // each line names a model of its own
		{o.dryRun, "--dry-run"},
	} {
		if f.given {
			return cli.Usagef("--format batch does not go with %s", f.flag)
		}
	}
	return nil
}

// lineQuestion makes the request that a line of the Batch API asks for, or the
// line that answers it unasked.
func (m *mapper) lineQuestion(it item) (*llm.Request, result, error) {
	unasked := func(id string, err error) (*llm.Request, result, error) {
		r, lineErr := m.lineFailed(it.record.Line, id, &llm.Error{Type: llm.InvalidRequest, Message: err.Error()})
		return nil, r, lineErr
	}
	if it.bad != nil {
		return unasked("", it.bad)
	}
	in, err := batch.ParseInput(it.record.Bytes())
	if err != nil {
		return unasked("", err)
	}
	var body struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}
	if err := json.Unmarshal(in.Body, &body); err != nil {
		return unasked(in.CustomID, err)
	}
	if in.Method != "POST" {
		return unasked(in.CustomID, fmt.Errorf("its method is %s and not POST", in.Method))
	}
	if want := m.client.BatchURL(); in.URL != want {
		return unasked(in.CustomID, fmt.Errorf("its url is %s and not %s; see --api", in.URL, want))
	}
	if body.Stream {
		return unasked(in.CustomID, fmt.Errorf("an answer that streams cannot be a line"))
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, in.Body); err != nil {
		return unasked(in.CustomID, err)
	}
	return &llm.Request{Model: body.Model, Body: compact.Bytes()}, result{record: it.record}, nil
}

// lineAnswered is the line for an answer, be it one that cannot be used, or for
// a question that failed for good.
func (m *mapper) lineAnswered(r record.Record, resp *llm.Response, e *llm.Error) (result, error) {
	in, err := batch.ParseInput(r.Bytes())
	if err != nil {
		return result{}, err
	}
	if resp == nil {
		return m.lineFailed(r.Line, in.CustomID, e)
	}
	out, err := record.Parse(batch.AppendOutput(nil, batch.Answered(in, resp, nil)))
	out.Line = r.Line
	if e != nil {
		return result{record: out, failed: true, why: fmt.Errorf("line %d: %w", r.Line, e)}, err
	}
	return result{record: out}, err
}

// lineFailed is the line for a question that has no answer.
func (m *mapper) lineFailed(line int, id string, e *llm.Error) (result, error) {
	told := *e
	told.Code, told.Message = m.sys.Redact.String(e.Code), m.sys.Redact.String(e.Message)
	out, err := record.Parse(batch.AppendOutput(nil, batch.Failed(id, &told)))
	out.Line = line
	return result{record: out, failed: true, why: fmt.Errorf("line %d: %w", line, &told)}, err
}
