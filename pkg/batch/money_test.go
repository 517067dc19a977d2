package batch

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"gptpipe/test/standin"
)

// The caller is told of every answer before its batch counts as collected: of a
// later batch while the first is awaited, and again when the run died in between.
func TestTookBeforeCollected(t *testing.T) {
	s := start(t, standin.Config{Batches: func(c standin.BatchCall) standin.Fate {
		if c.N == 1 {
			return standin.Fate{Polls: 1000}
		}
		return standin.Fate{Polls: 1, Line: func(body string) string {
			if strings.Contains(body, "text 5") {
				return "400"
			}
			return ""
		}}
	}})
	tr := newTrial(t, s, asks(8))
	took := map[string]int{}
	tr.Took = func(o Outcome) error {
		text := ""
		for _, r := range asks(8) {
			if string(r.Body) == string(o.Body) {
				text = string(r.Data)
			}
		}
		if text == "" || o.Model != "gpt-test" || !o.Reserved || o.Again {
			t.Errorf("told of %+v", o)
		}
		if (o.Err != nil) != (text == "text 5") || o.Err == nil && o.Response.Text != text {
			t.Errorf("%s: %+v, %v", text, o.Response, o.Err)
		}
		took[text]++
		return nil
	}
	saves := 0
	tr.test.step = func(name string) error {
		if name == "save" && len(took) > 0 {
			if saves++; saves == 1 {
				return errKilled
			}
		}
		return nil
	}
	if err := tr.run(t); !errors.Is(err, errKilled) || len(took) != 4 || len(tr.got) != 0 {
		t.Fatalf("%v, told of %v, %d results", err, took, len(tr.got))
	}
	before := tr.Took
	tr.Took = func(o Outcome) error {
		o.Reserved = true // it was not: an earlier run has submitted it
		return before(o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	tr.Report = func(Progress) {
		if took["text 7"] == 2 {
			cancel() // the first batch goes on
		}
	}
	if err := Run(ctx, tr.Job); !errors.Is(err, context.Canceled) || len(took) != 4 {
		t.Errorf("%v, told of %v", err, took)
	}
	if underWay, err := UnderWay(tr.Dir); !underWay || err != nil {
		t.Errorf("under way: %t, %v", underWay, err)
	}
}

// What cannot be reserved is not submitted, nor what comes after it; a further
// run goes on.
func TestReserve(t *testing.T) {
	s := start(t, standin.Config{})
	requests := asks(10)
	requests = append(requests[:3:3], append([]Request{{Data: []byte("passed")}, requests[1]}, requests[3:]...)...)
	tr := newTrial(t, s, requests)
	poor := errors.New("too poor")
	left := 0
	tr.Reserve = func(r Request) error {
		if left == 0 {
			return poor
		}
		left--
		return nil
	}
	if err := tr.run(t); !errors.Is(err, poor) || len(tr.got) != 0 || len(s.Requests()) != 0 {
		t.Errorf("nothing fits: %v, %d results, %d requests", err, len(tr.got), len(s.Requests()))
	}
	left = 6
	if err := tr.run(t); !errors.Is(err, poor) {
		t.Error(err)
	}
	tr.want(t, requests[:8], map[string]string{"passed": " passed"})
	left = 4
	tr.succeed(t)
	tr.want(t, requests, map[string]string{"passed": " passed"})
	paidOnce(t, s, asks(10))
}

// One that is to be submitted again is to be reserved again. If it cannot be,
// the results end before it.
func TestReserveForAnotherBatch(t *testing.T) {
	s := start(t, standin.Config{Batches: once(standin.Fate{Line: func(body string) string {
		if strings.Contains(body, "text 1") {
			return "expired"
		}
		return ""
	}})})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	poor := errors.New("too poor")
	left := 3
	tr.Reserve = func(Request) error {
		if left == 0 {
			return poor
		}
		left--
		return nil
	}
	var again []bool
	tr.Took = func(o Outcome) error { again = append(again, o.Again); return nil }
	if err := tr.run(t); !errors.Is(err, poor) || !slices.Equal(again, []bool{false, true, false}) {
		t.Errorf("%v, again: %v", err, again)
	}
	tr.want(t, requests[:1], nil)
	left = 1
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
}

// When the caller has had enough, what is collected is handed on and nothing
// more is submitted.
func TestNothingIsSubmittedAfterTheEnd(t *testing.T) {
	s := start(t, standin.Config{Batches: func(standin.BatchCall) standin.Fate { return standin.Fate{Polls: 1} }})
	requests := asks(40) // ten batches, of which so many as are validated at once are submitted
	tr := newTrial(t, s, requests)
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	tr.Took = func(Outcome) error { cancel(enough); return nil }
	if err := Run(ctx, tr.Job); !errors.Is(err, enough) {
		t.Error(err)
	}
	if n := s.Batches(); n > maxValidating {
		t.Errorf("%d batches", n)
	}
	tr.want(t, requests[:4], nil)
	tr.Took = nil
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
}

// A folder in which batches are under way that the last run had no need of keeps
// what tells of them, and no more.
func TestRemoveKeepsWhatIsUnderWay(t *testing.T) {
	s := start(t, standin.Config{Batches: func(standin.BatchCall) standin.Fate { return standin.Fate{Polls: 2} }})
	requests := asks(8)
	tr := newTrial(t, s, requests[:4])
	tr.test.step = func(name string) error {
		if strings.HasPrefix(name, "GET") {
			return errKilled
		}
		return nil
	}
	if err := tr.run(t); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	tr.test.step = nil
	tr.Requests = each(requests[4:])
	tr.succeed(t)
	if err := Remove(tr.Dir); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(tr.Dir)
	if err != nil || len(files) != 3 { // the lock, the state, and the requests of the batch
		t.Errorf("%v, %v", files, err)
	}
	if underWay, err := UnderWay(tr.Dir); !underWay || err != nil {
		t.Errorf("under way: %t, %v", underWay, err)
	}
	tr.Requests = each(requests[:4])
	tr.succeed(t)
	tr.want(t, requests[:4], nil)
	paidOnce(t, s, requests)
	inside := tr.Emit
	tr.Emit = func(r Result) error {
		if err := Remove(tr.Dir); err != nil {
			t.Error(err)
		}
		return inside(r)
	}
	tr.succeed(t)
	if underWay, err := UnderWay(tr.Dir); underWay || err != nil {
		t.Errorf("under way: %t, %v", underWay, err)
	}
	if _, err := os.Stat(tr.Dir); err != nil {
		t.Errorf("it was removed while a run was at work in it: %v", err)
	}
	if err := errors.Join(Remove(tr.Dir), Remove(tr.Dir)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(tr.Dir); !os.IsNotExist(err) {
		t.Errorf("the folder: %v", err)
	}
}
