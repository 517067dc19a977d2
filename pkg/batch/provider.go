package batch

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/retry"
	"gptpipe/pkg/wire"
)

// object is a batch as the API describes it.
type object struct {
	ID           string `json:"id"`
	Status       string `json:"status"`
	CreatedAt    int64  `json:"created_at"`
	OutputFileID string `json:"output_file_id"`
	ErrorFileID  string `json:"error_file_id"`
	Errors       struct {
		Data []json.RawMessage `json:"data"`
	} `json:"errors"`
	Counts struct {
		Total     int `json:"total"`
		Completed int `json:"completed"`
		Failed    int `json:"failed"`
	} `json:"request_counts"`
	Metadata struct {
		Tag string `json:"gptpipe"`
	} `json:"metadata"`
}

func (o *object) ended() bool {
	switch o.Status {
	case "completed", "expired", "cancelled", "failed":
		return true
	}
	return false
}

// patiently makes calls until one succeeds, by the rules of package retry. What it
// gives up is not repeated by another patiently around it.
func (r *run) patiently(ctx context.Context, call func() error) error {
	once := llm.Func(func(ctx context.Context, _ *llm.Request) (*llm.Response, error) {
		if err := call(); err != nil {
			return nil, err
		}
		return &llm.Response{}, nil
	})
	_, err := retry.New(once, retry.Options{Retries: r.job.Retries, MaxWait: r.job.MaxWait, Jobs: 1}).Complete(ctx, &llm.Request{})
	if e := llm.Failed(err); e != nil {
		return fmt.Errorf("%w", e) // which package retry takes for none of its own
	}
	return err
}

// call sends a call and decodes its answer into v.
func (r *run) call(ctx context.Context, c wire.Call, v any) error {
	name := c.Method + " " + c.Path
	if err := r.step(name); err != nil {
		return err
	}
	answer, err := r.job.Client.Send(ctx, c)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 16<<20))
	if err != nil {
		return err
	}
	if err := r.step(name + " done"); err != nil {
		return err
	}
	if err := json.Unmarshal(body, v); err != nil {
		return &llm.Error{Type: llm.BadResponse, Status: answer.StatusCode, Message: "the answer is not the JSON it should be: " + err.Error(), Retry: true}
	}
	return nil
}

func badAnswer(what string) error {
	return &llm.Error{Type: llm.BadResponse, Status: http.StatusOK, Message: "the answer has no " + what, Retry: true}
}

// create makes a batch of an uploaded file: one attempt.
func (r *run) create(ctx context.Context, fileID, tag string) (object, error) {
	body, err := json.Marshal(map[string]any{
		"input_file_id":     fileID,
		"endpoint":          r.job.URL,
		"completion_window": "24h",
		"metadata":          map[string]string{"gptpipe": tag},
	})
	if err != nil {
		return object{}, err
	}
	var o object
	err = r.call(ctx, wire.Call{
		Method: http.MethodPost, Path: "/batches", ContentType: "application/json",
		Body: bytes.NewReader(body), Length: int64(len(body)),
	}, &o)
	if err == nil && o.ID == "" {
		err = badAnswer("batch id")
	}
	return o, err
}

func (r *run) get(ctx context.Context, id string) (object, error) {
	var o object
	err := r.patiently(ctx, func() error {
		o = object{}
		err := r.call(ctx, wire.Call{Method: http.MethodGet, Path: "/batches/" + url.PathEscape(id)}, &o)
		if err == nil && o.Status == "" {
			return badAnswer("status")
		}
		return err
	})
	return o, err
}

// lookUp finds the batch with a tag that was created after a time, if there is
// one. The list begins with the newest.
func (r *run) lookUp(ctx context.Context, tag string, since time.Time) (object, bool, error) {
	// Their clock may not be ours.
	oldest := since.Add(-24 * time.Hour).Unix()
	after := ""
	for {
		var list struct {
			Data    json.RawMessage `json:"data"` // null in some, where there are none
			HasMore bool            `json:"has_more"`
		}
		var page []object
		path := "/batches?limit=100"
		if after != "" {
			path += "&after=" + url.QueryEscape(after)
		}
		err := r.patiently(ctx, func() error {
			list.Data, page = nil, nil
			err := r.call(ctx, wire.Call{Method: http.MethodGet, Path: path}, &list)
			if err == nil && json.Unmarshal(list.Data, &page) != nil {
				return badAnswer("list")
			}
			return err
		})
		if err != nil {
			return object{}, false, err
		}
		for _, o := range page {
			if o.Metadata.Tag == tag {
				return o, true, nil
			}
		}
		if !list.HasMore || len(page) == 0 {
			return object{}, false, nil
		}
		last := page[len(page)-1]
		if last.CreatedAt < oldest || last.ID == after {
			return object{}, false, nil
		}
		after = last.ID
	}
}

// A lineError is one of the errors of a batch that failed.
type lineError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Line    int    `json:"line"` // from 1; 0: it concerns the whole
}

// lineErrors are the errors of a batch by line.
func (o *object) lineErrors() map[int]lineError {
	lines := map[int]lineError{}
	for _, data := range o.Errors.Data {
		var e lineError
		if json.Unmarshal(data, &e) == nil && e.Line > 0 {
			lines[e.Line] = e
		}
	}
	return lines
}

// failure is why a batch failed as a whole.
func (o *object) failure() *llm.Error {
	if len(o.Errors.Data) == 0 {
		return &llm.Error{Type: llm.InvalidRequest, Message: "it does not say why"}
	}
	e := wire.ReadError(o.Errors.Data[0])
	full := e.Code == "token_limit_exceeded"
	switch {
	case full: // so much is enqueued already, not: so much was asked
		e.Type = llm.RateLimit
	case !e.Final():
		e.Type = llm.InvalidRequest
	}
	e.Retry = full
	e.Message = cmp.Or(strings.TrimSpace(e.Message), e.Code)
	return e
}

// batchError says which batch an error is about.
func batchError(id string, err error) error { return fmt.Errorf("%s: %w", id, err) }
