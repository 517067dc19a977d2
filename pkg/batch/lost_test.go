package batch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
	"gptpipe/test/standin"
)

// altered is a provider whose answers to GET calls are others; with nil, it does
// not have what is asked for.
type altered struct {
	wire.Sender
	alter func(path string, body []byte) []byte
}

func (a altered) Send(ctx context.Context, call wire.Call) (*http.Response, error) {
	answer, err := a.Sender.Send(ctx, call)
	if err != nil || call.Method != http.MethodGet {
		return answer, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if body = a.alter(call.Path, body); body == nil {
		return nil, &llm.Error{Type: llm.InvalidRequest, Status: http.StatusNotFound}
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, nil
}

// Expired requests are no answers: those that are counted are waited for, though
// there are as many lines, and as many of them as are counted.
func TestAnswersThatComeAfterTheErrors(t *testing.T) {
	output := regexp.MustCompile(`"output_file_id": *"([^"]*)"`)
	for _, lags := range []string{"named", "filled"} {
		for _, end := range []string{"expired", "cancelled", "completed"} {
			fate := standin.Fate{End: end}
			if end == "completed" {
				fate.Line = of("400", "text 1", "text 3")
			}
			s := start(t, standin.Config{Batches: once(fate)})
			requests := asks(4)
			tr := newTrial(t, s, requests)
			late, id := 3, ""
			tr.Client = altered{tr.Client, func(path string, body []byte) []byte {
				if m := output.FindSubmatch(body); m != nil && late > 0 {
					id = string(m[1])
					if lags == "named" {
						late--
						return output.ReplaceAll(body, []byte(`"output_file_id":null`))
					}
				}
				if lags == "filled" && id != "" && path == "/files/"+id+"/content" && late > 0 {
					late--
					return body[bytes.IndexByte(body, '\n')+1:]
				}
				return body
			}}
			err := tr.run(t)
			if end == "cancelled" && errors.Is(err, ErrCancelled) {
				err = tr.run(t)
			}
			if err != nil || late > 0 {
				t.Errorf("%s, %s: %v, late: %d", lags, end, err, late)
			}
			if end == "completed" {
				const bad = "! invalid_request invalid_value"
				tr.want(t, requests, map[string]string{"text 1": bad, "text 3": bad})
			} else {
				tr.want(t, requests, nil)
				paidOnce(t, s, requests)
			}
		}
	}
}

// A provider may count failures as completed, and counts are taken for no more
// than they say.
func TestLacks(t *testing.T) {
	for _, test := range []struct {
		status            string
		completed, failed int
		output            string
		t                 tally
		lacks             bool
	}{
		{"completed", 5, 0, "o", tally{answers: 5}, false},
		{"completed", 5, 0, "o", tally{answers: 3, refused: 2}, false},
		{"completed", 5, 0, "o", tally{answers: 4}, true},
		{"completed", 4, 1, "o", tally{answers: 4}, true},
		{"completed", 4, 0, "o", tally{answers: 3, refused: 1}, false},
		{"completed", 4, 0, "o", tally{answers: 3, errors: 1}, true},
		{"completed", 4, 0, "o", tally{answers: 3, errors: 2}, false}, // each has a result
		{"completed", 4, 0, "", tally{errors: 5}, true},
		{"completed", 5, 0, "o", tally{answers: 2, elsewhere: 3}, false},
		{"completed", 4, 1, "o", tally{answers: 1, elsewhere: 3}, true},
		{"completed", 0, 5, "", tally{errors: 5}, false},
		{"completed", 0, 0, "o", tally{answers: 5}, false},
		{"completed", 0, 0, "o", tally{answers: 4}, true},
		{"completed", 50, 5, "o", tally{answers: 5}, false},
		{"expired", 2, 3, "", tally{errors: 3}, true},
		{"expired", 2, 3, "", tally{refused: 3}, true},
		{"expired", 1, 0, "", tally{refused: 1, errors: 3}, true}, // which may not be the one
		{"expired", 2, 3, "o", tally{answers: 2}, false},
		{"expired", 0, 0, "", tally{}, false},
		{"failed", 0, 0, "", tally{refused: 1}, false},
	} {
		o := &object{Status: test.status, OutputFileID: test.output}
		o.Counts.Completed, o.Counts.Failed = test.completed, test.failed
		if err := o.lacks(&part{Lines: 5}, test.t); errors.Is(err, ErrLacking) != test.lacks {
			t.Errorf("%+v: %v", test, err)
		}
	}
}

// Doubled lines and those of others do not stand for ones that come later.
func TestEachRequestCountsOnce(t *testing.T) {
	for _, instead := range []string{"double", "foreign"} {
		s := start(t, standin.Config{})
		requests := asks(4)
		tr := newTrial(t, s, requests)
		fetches := 0
		tr.Client = altered{tr.Client, func(path string, body []byte) []byte {
			if !strings.HasSuffix(path, "/content") {
				return body
			}
			if fetches++; fetches >= 3 {
				return body
			}
			lines := bytes.SplitAfter(body, []byte("\n"))
			lines[0] = lines[1]
			if instead == "foreign" {
				lines[0] = regexp.MustCompile(`[0-9a-f]{32}`).ReplaceAll(lines[0], bytes.Repeat([]byte("f"), 32))
			}
			return bytes.Join(lines, nil)
		}}
		tr.succeed(t)
		tr.want(t, requests, nil)
		paidOnce(t, s, requests)
		if n := s.Batches(); n != 1 || fetches != 3 {
			t.Errorf("%s: %d batches, %d fetches", instead, n, fetches)
		}
	}
}

// Of a batch that is gone, or whose results are, nothing is submitted again
// unasked; all others are collected meanwhile. When its files are removed, its
// requests are submitted, and no others.
func TestLostBatch(t *testing.T) {
	for _, what := range []string{"batch", "file"} {
		s := start(t, standin.Config{})
		requests := asks(12) // three batches
		tr := newTrial(t, s, requests)
		honest, first, id := tr.Client, "/batches/batch_000000000000000000000001", "none"
		tr.Client = altered{honest, func(path string, body []byte) []byte {
			if path == first {
				if m := regexp.MustCompile(`"output_file_id": *"([^"]*)"`).FindSubmatch(body); m != nil {
					id = string(m[1])
				}
			}
			if what == "batch" && path == first || what == "file" && path == "/files/"+id+"/content" {
				return nil
			}
			return body
		}}
		took := 0
		tr.Took = func(Outcome) error { took++; return nil }
		var lost *LostError
		for n := range 2 {
			if err := tr.run(t); !errors.Is(err, ErrGone) || !errors.As(err, &lost) || !strings.HasPrefix(err.Error(), "batch_000000000000000000000001: ") {
				t.Fatal(err)
			}
			if took != 8 || len(tr.got) != 0 || s.Batches() != 3 {
				t.Errorf("%s, run %d: told of %d, %d results, %d batches", what, n, took, len(tr.got), s.Batches())
			}
			if state := tr.last.Batches; state[0].State != "lost" {
				t.Errorf("%s, run %d: %+v", what, n, state)
			}
		}
		files, err := filepath.Glob(lost.Files[0])
		if err != nil || len(lost.Files) != 1 || len(files) == 0 {
			t.Fatalf("%v, %v, %v", lost.Files, files, err)
		}
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				t.Fatal(err)
			}
		}
		tr.warn = nil
		tr.Client = honest
		tr.succeed(t)
		tr.want(t, requests, nil)
		if took != 12 || s.Batches() != 4 || len(tr.warn) != 1 || !strings.Contains(tr.warn[0].Error(), "is forgotten") {
			t.Errorf("%s: told of %d, %d batches, %v", what, took, s.Batches(), tr.warn)
		}
		if err := Remove(tr.Dir); err != nil {
			t.Error(err)
		}
	}
}

// A file of the folder that somebody has damaged is named, and nothing is
// submitted, for nobody knows what was.
func TestDamagedFolder(t *testing.T) {
	for _, damage := range []struct {
		file string
		do   func(path string) error
	}{
		{"part-000001.jsonl", func(path string) error { return os.Truncate(path, 300) }},
		{"part-000001.results.jsonl", func(path string) error { return os.Truncate(path, 300) }},
		{"part-000001.results.jsonl", os.Remove},
		{"part-000001.jsonl", os.Remove}, // the results are there and may be good
	} {
		s := start(t, standin.Config{})
		requests := asks(6)
		tr := newTrial(t, s, requests)
		tr.succeed(t)
		path := filepath.Join(tr.Dir, damage.file)
		if err := damage.do(path); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			var lost *LostError
			if err := tr.run(t); !errors.Is(err, ErrDamaged) || !errors.As(err, &lost) || !strings.HasPrefix(err.Error(), path) ||
				lost.Files[0] != filepath.Join(tr.Dir, "part-000001.*") {
				t.Fatal(err)
			}
		}
		if n := s.Batches(); n != 2 {
			t.Errorf("%d batches", n)
		}
	}
}

// So is a state that is not whole, without which nothing is known of any batch.
func TestDamagedState(t *testing.T) {
	s := start(t, standin.Config{})
	tr := newTrial(t, s, asks(3))
	tr.succeed(t)
	path := filepath.Join(tr.Dir, "state.json")
	for _, size := range []int64{30, 0} {
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		_, looked := Look(tr.Job)
		_, underWay := UnderWay(tr.Dir)
		for _, err := range []error{tr.run(t), looked, underWay, Remove(tr.Dir)} {
			if !errors.Is(err, ErrDamaged) || errors.As(err, new(*LostError)) || !strings.HasPrefix(err.Error(), path) {
				t.Error(err)
			}
		}
	}
	if n := s.Batches(); n != 1 {
		t.Errorf("%d batches", n)
	}
}

// What is submitted is known from the folder, which is only read.
func TestLook(t *testing.T) {
	s := start(t, standin.Config{})
	requests := asks(6)
	tr := newTrial(t, s, requests[:5])
	has := func(want int) {
		t.Helper()
		l, err := Look(tr.Job)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		for i, r := range requests {
			if has, err := l.Has(r.Body); has != (i < want) || err != nil {
				t.Errorf("%s: %t, %v", r.Data, has, err)
			}
		}
	}
	has(0)
	tr.test.step = func(name string) error {
		if strings.HasPrefix(name, "GET") {
			return errKilled
		}
		return nil
	}
	if err := tr.run(t); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	before, err := os.ReadDir(tr.Dir)
	if err != nil {
		t.Fatal(err)
	}
	submitted := 5
	if s.Batches() == 1 {
		submitted = 4
	}
	has(submitted)
	if after, err := os.ReadDir(tr.Dir); err != nil || len(after) != len(before) {
		t.Errorf("%v, %v", after, err)
	}
	tr.test.step = nil
	tr.succeed(t)
	has(0)
}

// Where a provider lists no batches, one whose creation got no answer may be there:
// it is given up, all others are collected, and when its file is removed its
// requests are submitted.
func TestProviderWithoutAList(t *testing.T) {
	for _, instead := range []string{"", "[]", `{"error":"try later"}`} {
		s := start(t, standin.Config{Batches: once(standin.Fate{Lose: true})})
		requests := asks(8) // two batches
		tr := newTrial(t, s, requests)
		tr.Retries = 1
		tr.Client = altered{tr.Client, func(path string, body []byte) []byte {
			switch {
			case !strings.HasPrefix(path, "/batches?"):
				return body
			case instead == "":
				return nil
			}
			return []byte(instead)
		}}
		took := 0
		tr.Took = func(Outcome) error { took++; return nil }
		var lost *LostError
		for n := range 2 {
			if err := tr.run(t); !errors.Is(err, ErrUnknown) || !errors.As(err, &lost) || !strings.Contains(err.Error(), "GET /batches: ") {
				t.Fatal(err)
			}
			if took != 4 || s.Batches() != 2 {
				t.Errorf("run %d: told of %d, %d batches", n, took, s.Batches())
			}
			if underWay, err := UnderWay(tr.Dir); !underWay || err != nil {
				t.Errorf("under way: %t, %v", underWay, err)
			}
		}
		tr.Requests = each(requests[4:]) // which do not need it
		tr.succeed(t)
		tr.want(t, requests[4:], nil)
		files, err := filepath.Glob(lost.Files[0])
		if err != nil || len(files) != 1 {
			t.Fatalf("%v, %v", files, err)
		}
		if err := os.Remove(files[0]); err != nil {
			t.Fatal(err)
		}
		tr.warn = nil
		tr.Requests = each(requests)
		tr.succeed(t)
		tr.want(t, requests, nil)
		if took != 8 || s.Batches() != 3 || len(tr.warn) != 1 || !strings.Contains(tr.warn[0].Error(), "is forgotten") {
			t.Errorf("told of %d, %d batches, %v", took, s.Batches(), tr.warn)
		}
	}
}

// noDeletion is a provider that deletes no files.
type noDeletion struct {
	wire.Sender
	err llm.Error
}

func (n noDeletion) Send(ctx context.Context, call wire.Call) (*http.Response, error) {
	if call.Method == http.MethodDelete {
		return nil, &n.err
	}
	return n.Sender.Send(ctx, call)
}

// startLosingBatch starts a server that answers the first batch's creation with 502.
func startLosingBatch(t *testing.T) *standin.Server {
	first := true
	return start(t, standin.Config{Faults: func(c standin.Call) standin.Fault {
		if c.Path == "/v1/batches" && len(c.Body) > 0 && first {
			first = false
			return fault("502")
		}
		return standin.Fault{}
	}})
}

// A file that cannot be deleted is told of once, and no reason to stop.
func TestProviderThatDeletesNothing(t *testing.T) {
	s := startLosingBatch(t)
	requests := asks(12)
	tr := newTrial(t, s, requests)
	tr.Client = noDeletion{tr.Client, llm.Error{Type: llm.InvalidRequest, Status: http.StatusMethodNotAllowed}}
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
	told := 0
	for _, err := range tr.warn {
		if strings.Contains(err.Error(), "was not deleted") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times: %v", told, tr.warn)
	}
}

// A file that cannot be deleted for a while, of a batch that may yet be created,
// keeps no other batch waiting.
func TestDeletionThatFailsForAWhile(t *testing.T) {
	s := startLosingBatch(t)
	requests := asks(8) // two batches
	tr := newTrial(t, s, requests)
	tr.Retries = 0
	honest := tr.Client
	tr.Client = noDeletion{honest, llm.Error{Type: llm.Server, Status: http.StatusServiceUnavailable, Retry: true}}
	took := 0
	tr.Took = func(Outcome) error { took++; return nil }
	if err := tr.run(t); !errors.Is(err, ErrUnknown) || took != 4 {
		t.Errorf("%v, told of %d", err, took)
	}
	tr.Client = honest
	tr.succeed(t)
	tr.want(t, requests, nil)
	paidOnce(t, s, requests)
}
