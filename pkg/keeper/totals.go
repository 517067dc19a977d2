package keeper

import (
	"gptpipe/pkg/hub/proto"
	"gptpipe/pkg/observe"
)

// The bounds of all totals together, in bytes of their names, and of one name. All are sent in answer to each Add, and
// are one value when they are stored.
const (
	maxTotals = 16 << 20
	maxSeries = 1 << 10
)

// totals are the sums of what processes have counted. No process can make them large, of whatever version it is: what
// is beyond their bounds is counted as observe.OtherModel, or if it has no model, not at all.
type totals struct {
	counts proto.Counts
	models map[string]struct{} // that have a name of their own
	size   int                 // of the names
}

func newTotals() *totals {
	return &totals{counts: make(proto.Counts), models: map[string]struct{}{observe.OtherModel: {}}}
}

func (t *totals) add(counts map[string]float64) {
	for series, n := range counts {
		series, ok := t.name(series)
		if _, there := t.counts[series]; !there {
			if !ok || t.size+len(series) > maxTotals {
				continue
			}
			t.size += len(series)
		}
		t.counts[series] += n
	}
}

// name is what a series is counted under, if it is.
func (t *totals) name(series string) (name string, ok bool) {
	if _, there := t.counts[series]; there {
		return series, true
	}
	model, other := observe.Model(series)
	if _, known := t.models[model]; model != "" && !known {
		if len(t.models) > observe.MaxModels || len(series) > maxSeries {
			series = other
		} else {
			t.models[model] = struct{}{}
		}
	}
	return series, len(series) <= maxSeries
}

// gauges are counts by the names that the totals have for them.
func (t *totals) gauges(counts map[string]float64) map[string]float64 {
	named := make(map[string]float64, len(counts))
	for series, n := range counts {
		if series, ok := t.name(series); ok {
			named[series] += n
		}
	}
	return named
}
