package observe

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// families are the metrics there are, in the order they are written.
var families = []struct{ name, kind, help string }{
	{"gpt_requests_total", "counter", "Requests sent, by command, model and HTTP status or kind of failure."},
	{"gpt_response_time_seconds", "histogram", "Time from a request to the last byte of its answer."},
	{"gpt_tokens_total", "counter", "Tokens that answers were billed for, as the server told, by kind: input or output."},
	{"gpt_cost_dollars_total", "counter", "What these tokens cost in US dollars, where the price of the model is known."},
	{"gpt_retries_total", "counter", "Attempts that were repeated."},
	{"gpt_limit_wait_seconds_total", "counter", "Time that requests waited for the rate limits."},
	{"gpt_requests_in_flight", "gauge", "Requests sent that have no answer yet."},
	{"gpt_requests_queued", "gauge", "Requests that wait for the rate limits."},
	{"gpt_cache_hits_total", "counter", "Answers that came from the cache."},
	{"gpt_cache_misses_total", "counter", "Questions that no answer was in the cache for."},
	{"gpt_cache_entries", "gauge", "Answers in the cache."},
	{"gpt_cache_bytes", "gauge", "Size of the cache."},
	{"gpt_users", "gauge", "Processes that use the cache and the limits."},
}

// Write writes totals in the text exposition format, version 0.0.4
// (https://prometheus.io/docs/instrumenting/exposition_formats/). Series of
// no known family are left out.
func Write(out io.Writer, totals map[string]float64) error {
	w := bufio.NewWriter(out)
	all := slices.Sorted(maps.Keys(totals))
	for _, f := range families {
		var mine []string
		for _, s := range all {
			name, _, _ := strings.Cut(s, "{")
			if name == f.name || f.kind == "histogram" && strings.HasPrefix(name, f.name+"_") {
				mine = append(mine, s)
			}
		}
		slices.SortStableFunc(mine, compareBuckets)
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", f.name, f.help, f.name, f.kind)
		for _, s := range mine {
			fmt.Fprintf(w, "%s %s\n", s, strconv.FormatFloat(totals[s], 'g', -1, 64))
		}
	}
	return w.Flush()
}

// compareBuckets puts the buckets of one histogram in the order of their
// bounds and leaves everything else where it stands.
func compareBuckets(a, b string) int {
	rest := func(s string) (string, float64) {
		series, le, ok := strings.Cut(s, `,le="`)
		if !ok {
			return s, math.Inf(-1)
		}
		bound, _ := strconv.ParseFloat(strings.TrimSuffix(le, `"}`), 64)
		return series, bound
	}
	aSeries, aBound := rest(a)
	bSeries, bBound := rest(b)
	return cmp.Or(cmp.Compare(aSeries, bSeries), cmp.Compare(aBound, bBound))
}

// WriteFile replaces the file at path by the totals, whole or not at all, as
// node_exporter's textfile collector needs it.
func WriteFile(path string, totals map[string]float64) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := f.Chmod(0o644); err != nil { // the collector runs as another user
		return err
	}
	if err := Write(f, totals); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
