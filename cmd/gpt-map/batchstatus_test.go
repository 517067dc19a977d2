package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"gptpipe/pkg/batch"
)

func TestPatternsAreQuoted(t *testing.T) {
	got := strings.Join(quoted([]string{"out.jsonl.batch/part-000001.*", "w 7/my $o'f.jsonl.batch/part-000002.*", "a b.batch"}), " ")
	if want := `out.jsonl.batch/part-000001.* 'w 7/my $o'\''f.jsonl.batch/part-000002.'* 'a b.batch'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestBatchStatus(t *testing.T) {
	m := &mapper{progress: &progress{begun: time.Now()}, money: new(till)}
	m.done.Store(7)
	if got := m.batchStatus(); got != "7 records read" {
		t.Errorf("%q", got)
	}
	m.cached.Store(5)
	m.progress.batch.Store(&batchProgress{
		Progress: batch.Progress{Requests: 15, Completed: 4, Failed: 1, Batches: []batch.Status{
			{State: "waiting"}, {ID: "b1", State: "in_progress"}, {ID: "b2", State: "in_progress"}, {ID: "b3", State: "collected"},
		}},
		passed: 5,
	})
	const want = "10/20 [##########..........], batches: 1 waiting, 2 in progress, 1 collected, 1 failed, 5 cached, "
	if got := m.batchStatus(); !strings.HasPrefix(got, want) {
		t.Errorf("%q", got)
	}
}

// The status line counts what is finished, which is written only when all before it is.
func TestFinishedIsDone(t *testing.T) {
	m := &mapper{progress: &progress{begun: time.Now()}, money: new(till)}
	for range 3 {
		if _, err := m.work(t.Context(), item{bad: errors.New("line 2: no record")}); err != nil {
			t.Fatal(err)
		}
	}
	if m.done.Load() != 3 || m.errors.Load() != 3 || m.written != 0 {
		t.Errorf("%d done, %d failed, %d written", m.done.Load(), m.errors.Load(), m.written)
	}
}
