package batch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gptpipe/test/standin"
)

// What was collected when a run ended early is used by the next one, but for what
// failed without an answer: that is submitted again.
func TestFailuresOfAnEarlierRunAreAskedAgain(t *testing.T) {
	s := start(t, standin.Config{Batches: once(standin.Fate{Line: of("400", "text 1")})})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	enough := errors.New("enough")
	took := tr.Emit
	tr.Emit = func(r Result) error {
		if r.Err != nil {
			return enough
		}
		return took(r)
	}
	if err := tr.run(t); !errors.Is(err, enough) {
		t.Fatal(err)
	}
	tr.Emit = took
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
	if n := s.Batches(); n != 2 {
		t.Errorf("%d batches, want 2", n)
	}
}

// What a run has collected that took other stored answers than this one is not
// looked at, and what is under way is taken whoever has submitted it.
func TestAnew(t *testing.T) {
	s := start(t, standin.Config{})
	requests := asks(8)
	tr := newTrial(t, s, requests)
	killAt := func(call string, n int) {
		t.Helper()
		tr.test.step = func(name string) error {
			if strings.HasPrefix(name, call) {
				if n--; n == 0 {
					return errKilled
				}
			}
			return nil
		}
		if err := tr.run(t); !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		tr.test.step = nil
	}
	var first, second int
	tr.Took = func(o Outcome) error {
		switch o.Anew {
		case "":
			first++
		case "refresh":
			second++
		}
		return nil
	}
	killAt("download", 2) // one of two is collected
	tr.Anew = "refresh"
	killAt("GET /batches/batch_000000000000000000000003 done", 1)
	if first < 4 || second != 0 {
		t.Errorf("told of %d and %d", first, second)
	}
	tr.succeed(t)
	tr.want(t, requests, nil)
	if first != 8 || second != 4 || s.Batches() != 3 {
		t.Errorf("told of %d and %d, %d batches", first, second, s.Batches())
	}
	tr.succeed(t) // which uses what this one has collected
	tr.want(t, requests, nil)
	if n := s.Batches(); n != 3 {
		t.Errorf("%d batches", n)
	}
}

// Before a run of another kind has noted that it gives up what is collected, all of
// that is there.
func TestKilledBeforeResultsAreGivenUp(t *testing.T) {
	s := start(t, standin.Config{})
	requests := asks(8)
	tr := newTrial(t, s, requests)
	tr.succeed(t)
	tr.Anew = "refresh"
	tr.test.step = func(name string) error {
		if name == "save" {
			return errKilled
		}
		return nil
	}
	if err := tr.run(t); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	tr.Anew, tr.test.step = "", nil
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
}

// What version 1 has collected, which did not note the kind of a run, is used by one
// of any kind; the folder is then none of version 1 any more.
func TestFolderOfVersion1(t *testing.T) {
	for _, kind := range []string{"", "refresh"} {
		s := start(t, standin.Config{})
		requests := asks(9)
		tr := newTrial(t, s, requests[:8])
		tr.Anew = kind
		tr.succeed(t)
		path := filepath.Join(tr.Dir, "state.json")
		now := []string{`"version": 2`, fmt.Sprintf(`"anew": %q,`, kind)}
		state, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(state), now[0]) || strings.Count(string(state), now[1]) != 2 {
			t.Fatalf("%s, %v", state, err)
		}
		old := strings.NewReplacer(now[0], `"version": 1`, now[1], "").Replace(string(state))
		if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
			t.Fatal(err)
		}
		tr.Requests = each(requests)
		tr.succeed(t)
		tr.want(t, requests, nil)
		paidOnce(t, s, requests)
		if state, err := os.ReadFile(path); err != nil || !strings.Contains(string(state), now[0]) {
			t.Errorf("%s, %v", state, err)
		}
	}
}

// Wherever a run is killed, and whatever the next one asks for anew, what the
// caller was told of is there, and what was not is paid for once.
func TestKilledBetweenRunsOfTwoKinds(t *testing.T) {
	for k := 1; ; k++ {
		seen := map[string]bool{}
		s, err := standin.Start(standin.Config{Batches: func(standin.BatchCall) standin.Fate {
			return standin.Fate{Polls: 1, Line: func(body string) string {
				if strings.Contains(body, "text 1") && !seen[body] {
					seen[body] = true
					return "400"
				}
				return ""
			}}
		}})
		if err != nil {
			t.Fatal(err)
		}
		requests := asks(6)
		tr := newTrial(t, s, requests)
		kept := map[string]bool{} // as in a journal
		tr.Took = func(o Outcome) error {
			if o.Response != nil {
				kept[string(o.Body)] = true
			}
			return nil
		}
		ask := func() error {
			left := slices.Clone(requests)
			for i := range left {
				if kept[string(left[i].Body)] {
					left[i].Body = nil
				}
			}
			tr.Requests = each(left)
			return tr.run(t)
		}
		step, stopped := 0, ""
		tr.test.step = func(name string) error {
			if step++; step == k {
				stopped = name
				return errKilled
			}
			return nil
		}
		if err := ask(); err != nil && !errors.Is(err, errKilled) {
			t.Fatalf("step %d: %v", k, err)
		}
		tr.test.step = nil
		for n := range 3 { // the failure may have come in the first of these
			tr.Anew = fmt.Sprint("kind ", n)
			if err := ask(); err != nil {
				t.Fatalf("after step %d, %s: %v", k, stopped, err)
			}
		}
		paidOnce(t, s, requests)
		if len(kept) != len(requests) {
			t.Errorf("told of %d", len(kept))
		}
		s.Close()
		if t.Failed() {
			t.Fatalf("killed at step %d, %s", k, stopped)
		}
		if stopped == "" {
			return
		}
	}
}

// An interruption before a creation is sent leaves nothing that may have been
// submitted.
func TestInterruptedWhileItUploads(t *testing.T) {
	s := start(t, standin.Config{})
	requests := asks(3)
	tr := newTrial(t, s, requests)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	tr.test.step = func(name string) error {
		if name == "POST /files done" {
			cancel(why)
		}
		return nil
	}
	if err := Run(ctx, tr.Job); !errors.Is(err, why) {
		t.Fatal(err)
	}
	if underWay, err := UnderWay(tr.Dir); underWay || err != nil {
		t.Errorf("under way: %t, %v", underWay, err)
	}
	if any, err := Any(tr.Dir); any || err != nil {
		t.Errorf("any: %t, %v", any, err)
	}
	tr.test.step = nil
	tr.succeed(t)
	tr.want(t, requests, nil)
	if len(tr.warn) != 0 || s.Files() != 0 {
		t.Errorf("%v, %d files are left", tr.warn, s.Files())
	}
}
