package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
	"gptpipe/pkg/wire"
)

// What makes no sense with the lines of the Batch API: flags that say what is
// asked, and others. In the configuration they are meant for other runs.
var (
	saidByLines = []string{
		"prompt", "in", "out", "raw-input", "embed",
		"model", "system", "temperature", "max-tokens", "seed", "option", "json", "schema",
	}
	notForLines = []string{"meta", "retry-failed", "batch", "dry-run", "max-cost", "prices"}
)

// checkFormat judges the flags of the command line with --format batch.
func (o *options) checkFormat(flags *cli.Flags) error {
	if o.format.Value != "batch" {
		return nil
	}
	for _, name := range saidByLines {
		if flags.Given(name) {
			return cli.WithHint(cli.Usagef("--format batch does not go with --%s", name), "each line says itself what is asked")
		}
	}
	for _, name := range notForLines {
		if flags.Given(name) {
			return cli.Usagef("--format batch does not go with --%s", name)
		}
	}
	return nil
}

// lineQuestion makes the request that a line of the Batch API asks for, or the
// line that answers it unasked.
func (m *mapper) lineQuestion(it item) (*llm.Request, result, error) {
	line := it.record.Line
	if it.bad != nil {
		r, err := m.lineFailed(line, "", &llm.Error{Type: "bad_input", Message: errors.Unwrap(it.bad).Error()})
		return nil, r, err
	}
	in, err := batch.ParseInput(it.record.Bytes())
	var req *llm.Request
	if err == nil {
		req, err = lineRequest(in)
	}
	if err != nil {
		r, err := m.lineFailed(line, in.CustomID, &llm.Error{Type: llm.InvalidRequest, Message: err.Error()})
		return nil, r, err
	}
	req.Sample = m.client.Sample()
	return req, result{record: it.record}, nil
}

func lineRequest(in batch.Input) (*llm.Request, error) {
	path := strings.TrimPrefix(in.URL, "/v1") // which is in the base URL
	var body struct {
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}
	err := json.Unmarshal(in.Body, &body)
	switch {
	case in.Method != http.MethodPost:
		return nil, fmt.Errorf("method is %s and not POST", in.Method)
	case !wire.Takes(path):
		return nil, fmt.Errorf("url %s is none that can be asked here", in.URL)
	case err != nil:
		return nil, err
	case body.Stream:
		return nil, errors.New("an answer that streams cannot be a line")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, in.Body); err != nil {
		return nil, err
	}
	return &llm.Request{Model: body.Model, Body: compact.Bytes(), Path: path}, nil
}

// lineAnswered is the line for a question that was answered, or failed for good.
func (m *mapper) lineAnswered(r record.Record, resp *llm.Response, e *llm.Error) (result, error) {
	in, err := batch.ParseInput(r.Bytes())
	if err != nil {
		return result{}, err
	}
	if e != nil {
		return m.lineFailed(r.Line, in.CustomID, e)
	}
	out, err := record.Parse(batch.AppendOutput(nil, batch.Output{
		CustomID: in.CustomID, Status: http.StatusOK, RequestID: resp.RequestID, Body: resp.Body,
	}))
	if err != nil { // its body is as deep as can be, and too deep within the line
		return m.lineFailed(r.Line, in.CustomID, &llm.Error{Type: llm.BadResponse, Message: "the answer cannot stand in a line: " + err.Error()})
	}
	out.Line = r.Line
	return result{record: out}, nil
}

// lineFailed is the line for a question that has no answer.
func (m *mapper) lineFailed(line int, id string, e *llm.Error) (result, error) {
	why := fmt.Errorf("line %d: %w", line, e)
	failed := batch.Failed(id, e)
	if id == "" {
		told := *e
		told.Message, told.Body = fmt.Sprintf("line %d: %s", line, told.Message), nil
		failed = batch.Failed("", &told)
		failed.Line = line
	}
	out, err := record.Parse(batch.AppendOutput(nil, failed))
	if err != nil && e.Body != nil { // which is too deep within the line
		told := *e
		told.Body = nil
		return m.lineFailed(line, id, &told)
	}
	out.Line = line
	return result{record: out, failed: true, why: why}, err
}
