package batch

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/test/standin"
)

func TestResultsComeInOrder(t *testing.T) {
	s := start(t, standin.Config{Key: "sk-test-0123456789abcdefghijklmn"})
	requests := asks(9)
	requests = append(requests, ask("text 3"), Request{Data: []byte("a record")}, askModel("gpt-other", "from another"), ask("the\nlast \"one\""))
	tr := newTrial(t, s, requests)
	tr.succeed(t)
	tr.want(t, requests, map[string]string{"a record": " passed"})
	paidOnce(t, s, append(asks(9), requests[11:]...))
	if n := s.Batches(); n != 4 {
		t.Errorf("%d batches, want 3 of one model and 1 of the other", n)
	}
	if n := s.Files(); n != 0 {
		t.Errorf("%d files were not deleted", n)
	}
	if p := tr.last; p.Requests != 11 || p.Completed != 11 || p.Failed != 0 || len(p.Batches) != 4 || p.Batches[0].State != "collected" {
		t.Errorf("progress %+v", p)
	}

	// All of it is there: nothing is sent any more.
	before := len(s.Requests())
	tr.succeed(t)
	tr.want(t, requests, map[string]string{"a record": " passed"})
	if n := len(s.Requests()) - before; n != 0 {
		t.Errorf("%d requests for nothing", n)
	}
}

// What is not to be stored is not on the disk either.
func TestResultsAreMasked(t *testing.T) {
	s := start(t, standin.Config{})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	tr.Mask = func(line []byte) []byte { return bytes.ReplaceAll(line, []byte("text 1"), []byte("-")) }
	tr.succeed(t)
	tr.want(t, requests, map[string]string{"text 1": ": -"})
	results, err := os.ReadFile(filepath.Join(tr.Dir, "part-000001.results.jsonl"))
	if err != nil || bytes.Contains(results, []byte("text 1")) || !bytes.Contains(results, []byte("text 2")) {
		t.Errorf("%s, %v", results, err)
	}
}

func TestNothingToAsk(t *testing.T) {
	s := start(t, standin.Config{})
	tr := newTrial(t, s, []Request{{Data: []byte("a")}, {Data: []byte("b")}})
	tr.succeed(t)
	tr.want(t, []Request{{Data: []byte("a")}, {Data: []byte("b")}}, map[string]string{"a": " passed", "b": " passed"})
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

func TestFilesEndAtTheLimits(t *testing.T) {
	s := start(t, standin.Config{})
	big := ask(strings.Repeat("x", 700))
	huge := ask(strings.Repeat("y", 2000))
	requests := []Request{ask("a"), big, ask("b"), huge, ask("c")}
	tr := newTrial(t, s, requests)
	tr.test.maxBytes = 1000
	tr.succeed(t)
	tr.want(t, requests, map[string]string{string(huge.Data): "! invalid_request "})
	for _, q := range s.Requests() {
		// The form around the file has less than 600 bytes.
		if q.Path == "/v1/files" && len(q.Body) > 1600 {
			t.Errorf("a file of more than 1000 bytes: %d", len(q.Body))
		}
	}
}

// What is there is not asked again; what was edited, is; what was only uploaded
// and is not wanted any more, is not.
func TestAnEditedRecordIsANewLine(t *testing.T) {
	s := start(t, standin.Config{})
	tr := newTrial(t, s, asks(10))
	created := 0
	tr.test.step = func(name string) error {
		if name == "POST /batches" {
			if created++; created == 3 {
				return errKilled
			}
		}
		return nil
	}
	if err := tr.run(t); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	edited := asks(10)
	edited[1] = ask("edited")
	edited = append([]Request{ask("inserted")}, edited[:9]...) // text 9 is gone
	tr.Requests, tr.test.step = each(edited), nil
	tr.succeed(t)
	tr.want(t, edited, nil)
	paid := s.BatchPaid()
	if n := paid[string(ask("text 9").Body)]; n != 0 {
		t.Errorf("a record that is gone was paid for")
	}
	if len(paid) != 11 { // with text 1, which had been submitted before it was edited
		t.Errorf("%d requests were paid for, want 11", len(paid))
	}
	paidOnce(t, s, edited)
}

var errKilled = errors.New("killed")

// Wherever a run is stopped, as by kill -9, the next one goes on, and pays for
// nothing twice.
func TestKilledAtEveryStep(t *testing.T) {
	for name, fates := range map[string]func() func(standin.BatchCall) standin.Fate{
		"expired lines": func() func(standin.BatchCall) standin.Fate {
			seen := map[string]bool{}
			return func(standin.BatchCall) standin.Fate {
				return standin.Fate{Polls: 2, Line: func(body string) string {
					if strings.Contains(body, "text 2") && !seen[body] {
						seen[body] = true
						return "expired"
					}
					return ""
				}}
			}
		},
		"lost creations": func() func(standin.BatchCall) standin.Fate {
			return func(c standin.BatchCall) standin.Fate { return standin.Fate{Polls: 1, Lose: c.N%2 == 1} }
		},
		"rejected": func() func(standin.BatchCall) standin.Fate {
			return func(c standin.BatchCall) standin.Fate {
				if c.N%2 == 1 {
					return standin.Fate{Reject: []standin.BatchError{{Code: "token_limit_exceeded"}}}
				}
				return standin.Fate{Polls: 1}
			}
		},
	} {
		for _, kills := range []int{1, 4} {
			for k := 1; killedAt(t, name, fates(), kills, k); k += kills {
				if testing.Short() {
					k += 10
				}
			}
		}
	}
}

// killedAt stops a run so many times at its step k, and reports whether there
// is such a step.
func killedAt(t *testing.T, name string, fates func(standin.BatchCall) standin.Fate, kills, k int) bool {
	s, err := standin.Start(standin.Config{Batches: fates})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	requests := asks(6)
	tr := newTrial(t, s, requests)
	told := map[string]bool{}
	tr.Took = func(o Outcome) error {
		told[string(o.Body)] = told[string(o.Body)] || o.Response != nil
		return nil
	}
	stopped := ""
	for range kills {
		step := 0
		tr.test.step = func(name string) error {
			if step++; step == k {
				stopped = name
				return errKilled
			}
			return nil
		}
		if err := tr.run(t); err != nil && !errors.Is(err, errKilled) {
			t.Fatalf("%s, step %d: %v", name, k, err)
		}
	}
	tr.test.step = nil
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
	for _, r := range requests {
		if !told[string(r.Body)] {
			t.Errorf("the caller was not told of the answer to %s", r.Data)
		}
	}
	if n := s.Files(); n != 0 && kills == 1 && stopped == "" {
		t.Errorf("%d files are left", n)
	}
	if t.Failed() {
		t.Fatalf("%s: stopped %d times at step %d, %s", name, kills, k, stopped)
	}
	return stopped != ""
}

func TestInterrupted(t *testing.T) {
	s := start(t, standin.Config{Batches: func(standin.BatchCall) standin.Fate { return standin.Fate{Polls: 5} }})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	tr.Report = func(p Progress) {
		if p.Batches[0].State == "in_progress" {
			cancel(why)
		}
	}
	if err := Run(ctx, tr.Job); !errors.Is(err, why) {
		t.Fatal(err)
	}
	tr.Report = nil
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
}

func TestErrorsOfTheCallerEndTheRun(t *testing.T) {
	s := start(t, standin.Config{})
	why := errors.New("no more")
	tr := newTrial(t, s, nil)
	tr.Requests = func(yield func(Request, error) bool) { _ = yield(ask("a"), nil) && yield(Request{}, why) }
	if err := tr.run(t); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
	if n := len(s.Requests()); n != 0 {
		t.Errorf("%d requests before the input was read", n)
	}
	tr.Requests = each(asks(3))
	tr.Emit = func(Result) error { return why }
	if err := tr.run(t); !errors.Is(err, why) {
		t.Errorf("%v", err)
	}
}

func TestFolder(t *testing.T) {
	s := start(t, standin.Config{})
	tr := newTrial(t, s, asks(1))
	inside := tr.Job
	tr.Emit = func(Result) error {
		if err := Run(t.Context(), inside); !errors.Is(err, ErrInUse) {
			t.Errorf("a second run: %v", err)
		}
		return nil
	}
	tr.succeed(t)
	again := tr.Job
	again.Endpoint = "elsewhere"
	if err := Run(t.Context(), again); !errors.Is(err, ErrForeign) {
		t.Errorf("another endpoint: %v", err)
	}
	again = tr.Job
	again.Scope = []string{"sample 2"}
	again.Emit = func(Result) error { return nil }
	if err := Run(t.Context(), again); err != nil || s.Batches() != 2 {
		t.Errorf("another scope: %v, %d batches", err, s.Batches())
	}
	if err := Remove(tr.Dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(tr.Dir); !os.IsNotExist(err) {
		t.Errorf("the folder: %v", err)
	}
}

// Calls fail as others do, and are made again.
func TestFaultsOfCalls(t *testing.T) {
	for _, kind := range []string{"429,retry-after-ms=1", "500,retry-after-ms=1", "502,retry-after-ms=1", "reset"} {
		// By a generator, since what happens at regular distances may happen to
		// one call again and again.
		random := rand.New(rand.NewPCG(1, 2))
		s := start(t, standin.Config{Faults: func(standin.Call) standin.Fault {
			if random.IntN(5) == 0 {
				return fault(kind)
			}
			return standin.Fault{}
		}})
		requests := asks(6)
		tr := newTrial(t, s, requests)
		tr.Retries = 20
		tr.succeed(t)
		tr.want(t, requests, nil)
		paidOnce(t, s, requests)
	}
}

func TestRefusedKeyEndsTheRun(t *testing.T) {
	s := start(t, standin.Config{Key: "another"})
	err := newTrial(t, s, asks(1)).run(t)
	if e := failure(t, err); e.Type != llm.Auth || !e.Final() {
		t.Errorf("%v", err)
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestWaitThatIsTooLong(t *testing.T) {
	s := start(t, standin.Config{Faults: standin.MustFaults("at=2:429,retry-after=3600")})
	requests := asks(1)
	tr := newTrial(t, s, requests)
	var wait *llm.WaitError
	if err := tr.run(t); !errors.As(err, &wait) || wait.Wait != time.Hour {
		t.Errorf("%v", err)
	}
	tr.succeed(t)
	tr.want(t, requests, nil)
}

// Redirects would carry the key elsewhere.
func TestRedirectIsNotFollowed(t *testing.T) {
	s := start(t, standin.Config{Faults: standin.MustFaults("at=1:redirect")})
	if e := failure(t, newTrial(t, s, asks(1)).run(t)); e.Status != 307 {
		t.Errorf("%v", e)
	}
	for _, q := range s.Requests() {
		if strings.HasPrefix(q.Host, "localhost") {
			t.Error("followed")
		}
	}
}

func TestManySmallBatches(t *testing.T) {
	active := 0
	s := start(t, standin.Config{Batches: func(c standin.BatchCall) standin.Fate {
		active = max(active, c.Active)
		return standin.Fate{}
	}})
	requests := asks(60)
	tr := newTrial(t, s, requests)
	tr.test.maxLines = 1
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
	if n := s.Batches(); n != 60 {
		t.Errorf("%d batches", n)
	}
	if active < maxValidating-1 {
		t.Errorf("at most %d at one time", active+1)
	}
}
