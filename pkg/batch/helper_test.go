package batch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
	"gptpipe/test/standin"
)

func start(t testing.TB, cfg standin.Config) *standin.Server {
	t.Helper()
	s, err := standin.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func newClient(t testing.TB, url string) *wire.Client { return clientOf(t, url, "chat") }

func clientOf(t testing.TB, url, api string) *wire.Client {
	t.Helper()
	endpoint, err := wire.ParseEndpoint(url)
	if err != nil {
		t.Fatal(err)
	}
	return wire.NewClient(wire.Options{
		Endpoint: endpoint, API: api, Key: "sk-test-0123456789abcdefghijklmn",
		Timeout: time.Minute, Jobs: 2, Lifetime: t.Context(),
	})
}

// ask is a request that is answered with text.
func ask(text string) Request { return askModel("gpt-test", text) }

func askModel(model, text string) Request {
	body, err := wire.Encode("chat", &llm.Prompt{
		Messages: []llm.Message{{Role: "user", Content: "echo " + text}},
		Params:   llm.Params{Model: model},
	})
	if err != nil {
		panic(err)
	}
	return Request{Model: model, Body: body, Data: []byte(text)}
}

// asks are n different requests.
func asks(n int) []Request {
	var requests []Request
	for i := range n {
		requests = append(requests, ask(fmt.Sprint("text ", i)))
	}
	return requests
}

func each(requests []Request) iter.Seq2[Request, error] {
	return func(yield func(Request, error) bool) {
		for _, r := range requests {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// A trial is a job whose results are kept.
type trial struct {
	Job
	got  []string // of each result "data: text" or "data! type code"
	last Progress
	warn []error
}

func newTrial(t testing.TB, s *standin.Server, requests []Request) *trial {
	tr := &trial{}
	client := newClient(t, s.URL())
	tr.Job = Job{
		Client: client, URL: URLOf("chat"), Dir: t.TempDir(), Endpoint: s.URL(),
		Requests: each(requests), Read: client.ReadAnswer,
		Resubmit: 2, Retries: 5, MaxWait: time.Minute,
		Report: func(p Progress) { tr.last = p },
		Warn:   func(err error) { tr.warn = append(tr.warn, err) },
		Emit: func(r Result) error {
			switch {
			case !r.Asked:
				tr.got = append(tr.got, string(r.Data)+" passed")
			case r.Err != nil:
				tr.got = append(tr.got, fmt.Sprintf("%s! %s %s", r.Data, r.Err.Type, r.Err.Code))
			default:
				tr.got = append(tr.got, string(r.Data)+": "+r.Response.Text)
			}
			return nil
		},
		test: quick(),
	}
	return tr
}

// quick makes the waits short and the batches small.
func quick() tuning {
	return tuning{
		maxLines: 4, pollFirst: time.Millisecond, pollMost: 5 * time.Millisecond,
		settle: 10 * time.Millisecond, fullWait: 20 * time.Millisecond,
	}
}

func (tr *trial) run(t testing.TB) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	tr.got = nil
	return Run(ctx, tr.Job)
}

func (tr *trial) succeed(t testing.TB) {
	t.Helper()
	if err := tr.run(t); err != nil {
		t.Fatal(err)
	}
}

// want compares the results with those that the requests deserve; instead has
// others by data.
func (tr *trial) want(t testing.TB, requests []Request, instead map[string]string) {
	t.Helper()
	var want []string
	for _, r := range requests {
		data := string(r.Data)
		if other, ok := instead[data]; ok {
			want = append(want, data+other)
		} else {
			want = append(want, data+": "+data)
		}
	}
	if !slices.Equal(tr.got, want) {
		t.Errorf("got %d results, want %d:\n%s\nwant\n%s", len(tr.got), len(want), strings.Join(tr.got, "\n"), strings.Join(want, "\n"))
	}
}

// paidOnce checks that each request was answered in a batch, and once.
func paidOnce(t testing.TB, s *standin.Server, requests []Request) {
	t.Helper()
	paid := s.BatchPaid()
	for _, r := range requests {
		if n := paid[string(r.Body)]; n != 1 {
			t.Errorf("%s was paid for %d times", r.Data, n)
		}
	}
	for body, n := range paid {
		if n > 1 {
			t.Errorf("paid for %d times: %s", n, body)
		}
	}
}

func failure(t testing.TB, err error) *llm.Error {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want an *llm.Error", err)
	}
	return e
}
