package batch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
	"gptpipe/test/standin"
)

// once gives a fate to the first batch alone.
func once(f standin.Fate) func(standin.BatchCall) standin.Fate {
	return func(c standin.BatchCall) standin.Fate {
		if c.N == 1 {
			return f
		}
		return standin.Fate{}
	}
}

func of(what string, texts ...string) func(string) string {
	return func(body string) string {
		for _, text := range texts {
			if strings.Contains(body, text) {
				return what
			}
		}
		return ""
	}
}

// What failed for reasons that pass is submitted again, and nothing else.
func TestPassingFailuresAreSubmittedAgain(t *testing.T) {
	for _, what := range []string{"expired", "dropped", "garbage", "500", "429", "503"} {
		s := start(t, standin.Config{Batches: once(standin.Fate{Line: of(what, "text 1", "text 3")})})
		requests := asks(4)
		tr := newTrial(t, s, requests)
		tr.succeed(t)
		tr.want(t, requests, nil)
		paidOnce(t, s, requests)
		if n := s.Batches(); n != 2 {
			t.Errorf("%s: %d batches, want 2", what, n)
		}
	}
}

func TestSubmittedAgainOnlySoOften(t *testing.T) {
	for what, want := range map[string]string{
		"expired": "! timeout batch_expired",
		"dropped": "! bad_response ",
		"500":     "! server ",
		"429":     "! rate_limit rate_limit_exceeded",
	} {
		well := false
		s := start(t, standin.Config{Batches: func(standin.BatchCall) standin.Fate {
			if well {
				return standin.Fate{}
			}
			return standin.Fate{Line: of(what, "text 1")}
		}})
		requests := asks(3)
		tr := newTrial(t, s, requests)
		tr.test.lateWait = 20 * time.Millisecond // of a batch of which nothing came
		tr.succeed(t)
		tr.want(t, requests, map[string]string{"text 1": want})
		if n := s.Batches(); n != 3 {
			t.Errorf("%s: %d batches, want 3", what, n)
		}
		if tr.last.Completed != 2 || tr.last.Failed != 1 {
			t.Errorf("%s: %+v", what, tr.last)
		}
		// Another run asks what is left once more.
		well = true
		tr.succeed(t)
		tr.want(t, requests, nil)
		paidOnce(t, s, requests)
	}
}

func TestOtherFailuresAreTheRecords(t *testing.T) {
	s := start(t, standin.Config{Batches: once(standin.Fate{Line: of("400", "text 1")})})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	tr.succeed(t)
	tr.want(t, requests, map[string]string{"text 1": "! invalid_request invalid_value"})
	if n := s.Batches(); n != 1 {
		t.Errorf("%d batches", n)
	}
}

// A refused key or model concerns every request: the run ends, and another one
// asks again what was refused, and only that.
func TestFinalFailureOfALine(t *testing.T) {
	for what, kind := range map[string]llm.Type{"401": llm.Auth, "404": llm.Auth} {
		s := start(t, standin.Config{Batches: once(standin.Fate{Line: of(what, "text 1")})})
		requests := asks(3)
		tr := newTrial(t, s, requests)
		if e := failure(t, tr.run(t)); e.Type != kind || !e.Final() {
			t.Errorf("%s: %v", what, e)
		}
		tr.succeed(t)
		tr.want(t, requests, nil)
		paidOnce(t, s, requests)
	}
}

func TestLostCreation(t *testing.T) {
	s := start(t, standin.Config{Batches: once(standin.Fate{Lose: true})})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
	if n := s.Batches(); n != 1 {
		t.Errorf("%d batches", n)
	}
}

// When nobody knows whether a creation was taken in, and the list has no such
// batch, the file goes before another one is made.
func TestCreationThatWasNotTakenIn(t *testing.T) {
	uploads := 0
	s := start(t, standin.Config{Faults: func(c standin.Call) standin.Fault {
		if c.Path == "/v1/files" {
			uploads++
		}
		if c.Path == "/v1/batches" && len(c.Body) > 0 && uploads == 1 {
			return fault("502")
		}
		return standin.Fault{}
	}})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	tr.succeed(t)
	tr.want(t, requests, nil)
	if uploads != 2 || s.Files() != 0 {
		t.Errorf("%d uploads, %d files left", uploads, s.Files())
	}
	paidOnce(t, s, requests)
}

// Each call has its retries, and one that is given up is not begun anew as a part
// of another.
func TestRetriesOfACall(t *testing.T) {
	for _, failing := range []string{"POST /v1/files", "GET /v1/batches"} {
		var mu sync.Mutex
		calls := map[string]int{}
		s := start(t, standin.Config{Faults: func(c standin.Call) standin.Fault {
			mu.Lock()
			defer mu.Unlock()
			name := "GET " + c.Path
			if len(c.Body) > 0 {
				name = "POST " + c.Path
			}
			calls[name]++
			if name == failing || name == "POST /v1/batches" {
				return fault("502")
			}
			return standin.Fault{}
		}})
		tr := newTrial(t, s, asks(1))
		tr.Retries = 2
		err := tr.run(t)
		if err == nil || !strings.Contains(err.Error(), "(502)") || errors.Is(err, ErrUnknown) != (failing == "GET /v1/batches") {
			t.Error(err)
		}
		if calls[failing] != 3 || calls["POST /v1/batches"] > 1 {
			t.Errorf("%s fails: %v", failing, calls)
		}
	}
}

// An outage at the provider is waited out, whatever is out of reach, be it only the results; one that lasts ends the run,
// and the next one goes on.
func TestOutages(t *testing.T) {
	for _, failing := range []string{"/v1/batches/batch", "/content"} {
		var left atomic.Int64 // calls that fail
		s := start(t, standin.Config{Faults: func(c standin.Call) standin.Fault {
			if strings.Contains(c.Path, failing) && left.Add(-1) >= 0 {
				return fault("503")
			}
			return standin.Fault{}
		}})
		requests := asks(3)
		tr := newTrial(t, s, requests)
		tr.Retries = 0
		left.Store(8)
		tr.succeed(t)
		tr.want(t, requests, nil)
		if len(tr.warn) != 1 || !strings.Contains(tr.warn[0].Error(), "(503)") {
			t.Errorf("%s: %v", failing, tr.warn)
		}

		requests = asks(6)
		tr = newTrial(t, s, requests[3:])
		tr.Retries, tr.test.maxOutage = 0, 30*time.Millisecond
		left.Store(1 << 30)
		if err := tr.run(t); err == nil || !strings.Contains(err.Error(), "(503)") {
			t.Errorf("%s: %v", failing, err)
		}
		left.Store(0)
		tr.succeed(t)
		tr.want(t, requests[3:], nil)
		paidOnce(t, s, requests)
	}
}

// An answer without a text may be the same each time, and is paid for twice at
// most.
func TestAnswersWithoutText(t *testing.T) {
	s := start(t, standin.Config{})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	tr.Client = altered{tr.Client, func(_ string, body []byte) []byte {
		return bytes.ReplaceAll(body, []byte(`"text 1"`), []byte("null"))
	}}
	tr.succeed(t)
	tr.want(t, requests, map[string]string{"text 1": "! bad_response "})
	if n := s.BatchPaid()[string(requests[1].Body)]; n != 2 {
		t.Errorf("paid for %d times", n)
	}
}

// What is no UTF-8 is replaced, as in a live answer.
func TestAnswersThatAreNoUTF8(t *testing.T) {
	s := start(t, standin.Config{})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	tr.Client = altered{tr.Client, func(_ string, body []byte) []byte {
		return bytes.ReplaceAll(body, []byte(`"text 1"`), []byte("\"caf\xc3\""))
	}}
	tr.succeed(t)
	tr.want(t, requests, map[string]string{"text 1": ": caf\ufffd"})
	paidOnce(t, s, requests)
}

func fault(text string) standin.Fault {
	f, err := standin.ParseFault(text)
	if err != nil {
		panic(err)
	}
	return f
}

// A batch that does not fit into the queue waits until another has left it.
func TestFullQueue(t *testing.T) {
	s := start(t, standin.Config{Batches: func(c standin.BatchCall) standin.Fate {
		if c.Active >= 2 {
			return standin.Fate{Reject: []standin.BatchError{{Code: "token_limit_exceeded", Message: "Enqueued token limit reached for gpt-test in organization org-standin. Limit: 90,000 enqueued tokens. Please try again once some in_progress batches have been completed."}}}
		}
		return standin.Fate{Polls: 6}
	}})
	requests := asks(40)
	tr := newTrial(t, s, requests)
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
	t.Logf("%d batches were created for 10", s.Batches())
	if len(tr.warn) != 1 {
		t.Errorf("told of %v", tr.warn)
	}
}

func TestQueueThatStaysFull(t *testing.T) {
	s := start(t, standin.Config{Batches: func(standin.BatchCall) standin.Fate {
		return standin.Fate{Reject: []standin.BatchError{{Code: "token_limit_exceeded", Message: "Enqueued token limit reached."}}}
	}})
	tr := newTrial(t, s, asks(1))
	tr.test.fullWait = 1
	if e := failure(t, tr.run(t)); e.Type != llm.RateLimit || e.Code != "token_limit_exceeded" {
		t.Errorf("%v", e)
	}
	if n := s.Batches(); n != maxAlone+1 {
		t.Errorf("%d batches", n)
	}
}

// The lines that fail the validation have that as their error; the others, of
// which nothing was run, are submitted again.
func TestRejectedLines(t *testing.T) {
	s := start(t, standin.Config{Batches: once(standin.Fate{Reject: []standin.BatchError{
		{Code: "invalid_json_line", Line: 2, Message: "This line is not parseable as valid JSON."},
	}})})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	tr.succeed(t)
	tr.want(t, requests, map[string]string{"text 1": "! invalid_request invalid_json_line"})
}

func TestRejectedBatch(t *testing.T) {
	for code, kind := range map[string]llm.Type{
		"model_not_found":            llm.Auth,
		"billing_hard_limit_reached": llm.Quota,
		"too_many_tasks":             llm.InvalidRequest,
	} {
		s := start(t, standin.Config{Batches: once(standin.Fate{Reject: []standin.BatchError{{Code: code, Message: "It is so."}}})})
		requests := asks(3)
		tr := newTrial(t, s, requests)
		err := tr.run(t)
		if e := failure(t, err); e.Type != kind || e.Code != code || !strings.Contains(err.Error(), "batch_0") {
			t.Errorf("%s: %v", code, err)
		}
		tr.succeed(t)
		tr.want(t, requests, nil)
		paidOnce(t, s, requests)
	}
}

// What a batch had answered before it ended early is used.
func TestBatchesThatEndEarly(t *testing.T) {
	s := start(t, standin.Config{Batches: once(standin.Fate{End: "expired"})})
	requests := asks(4)
	tr := newTrial(t, s, requests)
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)

	// To cancel one is to stop.
	s = start(t, standin.Config{Batches: once(standin.Fate{End: "cancelled"})})
	tr = newTrial(t, s, requests)
	if err := tr.run(t); !errors.Is(err, ErrCancelled) {
		t.Errorf("%v", err)
	}
	if n := s.Batches(); n != 1 {
		t.Errorf("%d batches", n)
	}
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
}

// A batch that the provider does not know is no reason to pay for its requests
// again, unasked.
func TestBatchThatIsGone(t *testing.T) {
	s := start(t, standin.Config{})
	tr := newTrial(t, s, asks(3))
	tr.test.step = func(name string) error {
		if strings.HasPrefix(name, "GET") {
			return errKilled
		}
		return nil
	}
	if err := tr.run(t); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	other := start(t, standin.Config{})
	tr.Client, tr.test.step = newClient(t, other.URL()), nil
	if err := tr.run(t); !errors.Is(err, ErrGone) || !strings.HasPrefix(err.Error(), "batch_0") {
		t.Errorf("%v", err)
	}
	if n := other.Batches(); n != 0 {
		t.Errorf("%d batches", n)
	}
	tr.Client = newClient(t, s.URL())
	tr.succeed(t)
	tr.want(t, asks(3), nil)
}

// late is a provider that names the files of a batch only with some poll after
// its end, leaves lines out of them until some fetch, or counts nothing.
type late struct {
	wire.Sender
	counts         string // instead of those that it has, if not empty
	named, filled  int    // with which poll, with which fetch; 0: never
	polls, fetches int
}

func (l *late) Send(ctx context.Context, call wire.Call) (*http.Response, error) {
	answer, err := l.Sender.Send(ctx, call)
	if err != nil || call.Method != http.MethodGet {
		return answer, err
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	answer.Body.Close()
	switch {
	case strings.HasSuffix(call.Path, "/content"):
		if l.fetches++; l.filled == 0 || l.fetches < l.filled {
			body = body[bytes.IndexByte(body, '\n')+1:]
		}
	case regexp.MustCompile(`"status": *"completed"`).Match(body) && strings.Contains(call.Path, "/batches/"):
		if l.counts != "" {
			body = regexp.MustCompile(`"request_counts": *{[^}]*}`).ReplaceAll(body, []byte(`"request_counts":`+l.counts))
		}
		if l.polls++; l.named == 0 || l.polls < l.named {
			body = regexp.MustCompile(`"(output|error)_file_id": *"[^"]*"`).ReplaceAll(body, []byte(`"${1}_file_id":null`))
		}
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

// What a batch counts as answered is paid for. It is waited for, and never
// submitted again because the provider does not show it yet, or never does.
func TestResultsThatComeLate(t *testing.T) {
	for _, l := range []*late{
		{named: 3, filled: 1}, {named: 1, filled: maxFetches}, {named: 2, filled: 3},
		{named: 3, filled: 3, counts: "null"},
		{named: 3, filled: 3, counts: `{"total":4,"completed":0,"failed":0}`},
	} {
		s := start(t, standin.Config{Batches: once(standin.Fate{Line: of("400", "text 2")})})
		requests := asks(4)
		tr := newTrial(t, s, requests)
		l.Sender = tr.Client
		tr.Client = l
		tr.succeed(t)
		tr.want(t, requests, map[string]string{"text 2": "! invalid_request invalid_value"})
		if n := s.Batches(); n != 1 || len(tr.warn) != 1 || !errors.Is(tr.warn[0], ErrLacking) {
			t.Errorf("%+v: %d batches, told of %v", l, n, tr.warn)
		}
	}
}

func TestResultsThatNeverCome(t *testing.T) {
	for _, l := range []*late{{filled: 1}, {named: 1}} {
		s := start(t, standin.Config{})
		requests := asks(3)
		tr := newTrial(t, s, requests)
		tr.test.lateWait = 20 * time.Millisecond
		if l.named > 0 {
			tr.test.lateWait = time.Hour
		}
		l.Sender = tr.Client
		tr.Client = l
		took := 0
		tr.Took = func(o Outcome) error {
			if o.Err != nil {
				t.Errorf("told of %+v", o)
			}
			took++
			return nil
		}
		for n := range 2 {
			took = 0
			err := tr.run(t)
			there := 0
			if l.named > 0 {
				there = 2
			}
			if lost := new(LostError); !errors.Is(err, ErrLacking) || !errors.As(err, &lost) || len(lost.Files) != 1 {
				t.Fatal(err)
			}
			tr.want(t, requests[:there], nil)
			if n > 0 {
				there = 0 // they were told of before
			}
			if took != there {
				t.Errorf("run %d: told of %d answers, want %d", n, took, there)
			}
		}
		// They show at last.
		tr.Client = l.Sender
		took = 0
		tr.succeed(t)
		if want := 1 + 2*(1-min(l.named, 1)); took != want {
			t.Errorf("told of %d answers that are new, want %d", took, want)
		}
		tr.want(t, requests, nil)
		paidOnce(t, s, requests)
		if n := s.Batches(); n != 1 {
			t.Errorf("%d batches", n)
		}
	}
}
