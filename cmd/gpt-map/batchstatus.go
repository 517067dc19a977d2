package main

import (
	"fmt"
	"strings"
	"time"

	"gptpipe/pkg/batch"
)

// A batchProgress is how far a run of the Batch API is.
type batchProgress struct {
	batch.Progress
	passed int64 // records that nothing is submitted for
}

// batchStates are the states of batches in the order in which they are gone
// through.
var batchStates = []string{"waiting", "validating", "in_progress", "finalizing", "collected", "lost"}

// batchStatus is the status line while batches are under way, for hours: what
// they have answered, and how many are in which state.
func (m *mapper) batchStatus() string {
	p := m.progress.batch.Load()
	if p == nil {
		return fmt.Sprintf("%d records read", m.done.Load())
	}
	var line strings.Builder
	total := int64(p.Requests) + p.passed
	line.WriteString(bar(int64(p.Completed+p.Failed)+p.passed, max(total, 1)))
	states := map[string]int{}
	for _, s := range p.Batches {
		states[s.State]++
	}
	separator := ", batches: "
	for _, s := range batchStates {
		if n := states[s]; n > 0 {
			fmt.Fprintf(&line, "%s%d %s", separator, n, strings.ReplaceAll(s, "_", " "))
			separator = ", "
		}
	}
	if p.Failed > 0 {
		fmt.Fprintf(&line, ", %d failed", p.Failed)
	}
	if cached := m.cached.Load(); cached > 0 {
		fmt.Fprintf(&line, ", %d cached", cached)
	}
	if m.money.budget != nil {
		fmt.Fprintf(&line, ", %v", m.money.budget.Spent())
	}
	fmt.Fprintf(&line, ", %v", time.Since(m.progress.begun).Round(time.Second))
	return line.String()
}
