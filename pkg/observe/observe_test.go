package observe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"gptpipe/pkg/llm"
)

// scrape reads an exposition with the parser that Prometheus and node_exporter
// use.
func scrape(t *testing.T, text []byte) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return families
}

func expose(t *testing.T, totals map[string]float64) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, totals); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func labels(m *dto.Metric) map[string]string {
	out := map[string]string{}
	for _, l := range m.GetLabel() {
		out[l.GetName()] = l.GetValue()
	}
	return out
}

// answering is a Completer that takes a while and ends in err.
func answering(takes time.Duration, err error) llm.Completer {
	return llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
		time.Sleep(takes)
		return nil, err
	})
}

func TestExpositionIsReadByPrometheus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCounters(strings.Clone)
		for _, takes := range []time.Duration{
			0, 100 * time.Millisecond, 101 * time.Millisecond, 2 * time.Second, 2500 * time.Millisecond, 5 * time.Minute, time.Hour,
		} {
			Requests(answering(takes, nil), c, "gpt-map", free).Complete(t.Context(), &llm.Request{Model: "m"})
		}
		Requests(answering(time.Second, &llm.Error{Type: llm.RateLimit, Status: 429}), c, "gpt-ask", free).Complete(t.Context(), &llm.Request{Model: "m"})
		c.Add(CacheHits.Series("gpt-map", "m"), 3)

		families := scrape(t, expose(t, c.Take()))
		if len(families) != 3 {
			t.Fatalf("families %v", families)
		}
		for name, kind := range map[string]dto.MetricType{
			"gpt_requests_total": dto.MetricType_COUNTER, "gpt_cache_hits_total": dto.MetricType_COUNTER,
			"gpt_response_time_seconds": dto.MetricType_HISTOGRAM,
		} {
			if f := families[name]; f.GetType() != kind || f.GetHelp() == "" {
				t.Errorf("%s is a %v: %q", name, f.GetType(), f.GetHelp())
			}
		}
		if m := families["gpt_cache_hits_total"].GetMetric(); len(m) != 1 || m[0].GetCounter().GetValue() != 3 ||
			!maps.Equal(labels(m[0]), map[string]string{"command": "gpt-map", "model": "m"}) {
			t.Errorf("hits %v", m)
		}
		for _, m := range families["gpt_requests_total"].GetMetric() {
			want := 7.0
			if labels(m)["command"] == "gpt-ask" {
				want = 1
			}
			if m.GetCounter().GetValue() != want {
				t.Errorf("requests %v, want %v", m, want)
			}
		}
		times := families["gpt_response_time_seconds"].GetMetric()
		if len(times) != 2 {
			t.Fatalf("response times %v", times)
		}
		for _, m := range times {
			if labels(m)["command"] != "gpt-map" {
				continue
			}
			h := m.GetHistogram()
			if h.GetSampleCount() != 7 || math.Abs(h.GetSampleSum()-3904.701) > 1e-9 {
				t.Errorf("count %d, sum %v", h.GetSampleCount(), h.GetSampleSum())
			}
			var got []string
			for _, b := range h.GetBucket() {
				got = append(got, fmt.Sprint(b.GetUpperBound(), ":", b.GetCumulativeCount()))
			}
			const want = "0.1:2 0.25:3 0.5:3 1:3 2.5:5 5:5 10:5 30:5 60:5 120:5 300:6 +Inf:7"
			if strings.Join(got, " ") != want {
				t.Errorf("buckets %v, want %s", got, want)
			}
		}
	})
}

// In the text itself the buckets of a series stand together, in the order of
// their bounds, as the format asks for.
func TestBucketsStandInOrder(t *testing.T) {
	c := NewCounters(strings.Clone)
	for _, m := range []string{"b", "a", `c",le="0`, "10", "9"} {
		for _, command := range []string{"gpt-map", "gpt-ask"} {
			Requests(answering(0, nil), c, command, free).Complete(t.Context(), &llm.Request{Model: m})
		}
	}
	series, bound, count := "", 0.0, 0
	for line := range strings.Lines(string(expose(t, c.Take()))) {
		head, tail, ok := strings.Cut(line, `,le="`)
		if !ok || !strings.HasPrefix(line, "gpt_response_time_seconds_bucket") {
			continue
		}
		var le float64
		if _, err := fmt.Sscanf(tail, `%g"`, &le); err != nil {
			t.Fatalf("%q: %v", tail, err)
		}
		if head == series && le <= bound {
			t.Errorf("%s: %v after %v", series, le, bound)
		}
		if head != series && count%(len(buckets)+1) != 0 {
			t.Errorf("%s is torn apart", series)
		}
		series, bound, count = head, le, count+1
	}
	if count != 10*(len(buckets)+1) {
		t.Errorf("%d buckets", count)
	}
}

// A model's name is the user's: whatever it holds, it must come back as it was.
func TestLabelsAreEscaped(t *testing.T) {
	for _, name := range []string{
		"gpt-5-mini", "", `a"b`, `a\b`, `\`, `\n`, "a\nb", `"}`, `x",le="1`, `{}`, "数字 ü", "a\tb\rc", "# HELP x", "a,b=c",
	} {
		t.Run(name, func(t *testing.T) {
			c := NewCounters(strings.Clone)
			c.Add(CacheHits.Series("gpt-map", name), 1)
			Requests(answering(0, nil), c, "gpt-map", free).Complete(t.Context(), &llm.Request{Model: name})
			text := expose(t, c.Take())
			for family, f := range scrape(t, text) {
				if m := f.GetMetric(); len(m) != 1 || labels(m[0])["model"] != name {
					t.Errorf("%s: %v\n%s", family, m, text)
				}
			}
		})
	}
	if s := Series("x", "model", "a\xffb"); s != "x{model=\"a\ufffdb\"}" {
		t.Errorf("invalid UTF-8: %q", s)
	}
}

func TestSeries(t *testing.T) {
	for want, got := range map[string]string{
		"x":              Series("x"),
		`x{a="1"}`:       Series("x", "a", "1"),
		`x{a="1",b="2"}`: Series("x", "a", "1", "b", "2"),
		`x{a="\\\"\n"}`:  Series("x", "a", "\\\"\n"),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Each attempt counts once, by what became of it.
func TestRequestsAreCountedByOutcome(t *testing.T) {
	for _, test := range []struct {
		name   string
		err    error
		status string // "": not counted
	}{
		{"an answer", nil, "200"},
		{"a status", &llm.Error{Type: llm.Server, Status: 503}, "503"},
		{"an answer that broke off", &llm.Error{Type: llm.BadResponse, Status: 200}, "200"},
		{"no answer", &llm.Error{Type: llm.Connection}, "connection"},
		{"no answer in time", &llm.Error{Type: llm.Timeout}, "timeout"},
		{"not begun", context.Canceled, ""},
		{"not begun, for a reason", errors.New("stopped on purpose"), ""},
		{"not begun, for the failure of another", fmt.Errorf("stopped: %w", &llm.Error{Type: llm.Auth, Status: 401}), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := NewCounters(strings.Clone)
			_, err := Requests(answering(0, test.err), c, "gpt-map", free).Complete(t.Context(), &llm.Request{Model: "m"})
			if err != test.err {
				t.Errorf("error %v", err)
			}
			totals := c.Take()
			if test.status == "" {
				if len(totals) != 0 {
					t.Errorf("counted %v", totals)
				}
				return
			}
			if n := totals[Series("gpt_requests_total", "command", "gpt-map", "model", "m", "status", test.status)]; n != 1 {
				t.Errorf("counted %v", totals)
			}
			if n := totals[Series("gpt_response_time_seconds_count", "command", "gpt-map", "model", "m")]; n != 1 {
				t.Errorf("timed %v", n)
			}
		})
	}
}

// What a hub of another version counts must not spoil the file, and nothing at
// all is a file too.
func TestUnknownSeriesAreLeftOut(t *testing.T) {
	for _, totals := range []map[string]float64{
		nil,
		{"gpt_future_total{a=\"b\"}": 1, "gpt_requests_totality": 2, "": 3, "{": 4, "gpt_response_time_secondsx": 5},
	} {
		text := expose(t, totals)
		for name, f := range scrape(t, text) {
			if len(f.GetMetric()) > 0 {
				t.Errorf("%s: %v", name, f)
			}
		}
	}
}

// The totals of years, and fractions, keep their digits.
func TestValuesKeepTheirDigits(t *testing.T) {
	for _, want := range []float64{0, 1, 9007199254740991, 0.1, 1e21, 123456789.125} {
		text := expose(t, map[string]float64{CacheHits.Series("c", "m"): want})
		if got := scrape(t, text)["gpt_cache_hits_total"].GetMetric()[0].GetCounter().GetValue(); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func TestTakeEmptiesWhatItTook(t *testing.T) {
	c := NewCounters(strings.Clone)
	const goroutines, each = 8, 1000
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range each {
				c.Add("x", 1)
			}
		})
	}
	sum := 0.0
	for range 100 {
		sum += c.Take()["x"]
	}
	all.Wait()
	sum += c.Take()["x"]
	if sum != goroutines*each {
		t.Errorf("took %v in all, want %d", sum, goroutines*each)
	}
	if rest := c.Take(); len(rest) != 0 {
		t.Errorf("left %v", rest)
	}
}

func free(string, json.RawMessage) Bill { return Bill{} }

// Tokens and their price are counted with the answers, and what waits and is under way now while it is.
func TestTokensCostAndGauges(t *testing.T) {
	c := NewCounters(strings.Clone)
	usage := json.RawMessage(`{"prompt_tokens":10,"completion_tokens":3}`)
	price := func(model string, u json.RawMessage) Bill {
		if model != "m" || string(u) != string(usage) {
			t.Errorf("%s, %s", model, u)
		}
		return Bill{10, 3, 0.25}
	}
	sent, answered := make(chan bool), make(chan bool)
	server := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
		sent <- true
		<-answered
		return &llm.Response{Usage: usage}, nil
	})
	limited, free := make(chan bool), make(chan bool)
	behind := Requests(server, c, "gpt-map", price)
	limit := llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		limited <- true
		if !<-free {
			return nil, context.Canceled
		}
		time.Sleep(2 * time.Millisecond)
		return behind.Complete(ctx, req)
	})
	q := Queue(limit, c, "gpt-map")
	done := make(chan bool)
	gauges := func(queued, inFlight float64) {
		t.Helper()
		want := map[string]float64{`gpt_requests_queued{command="gpt-map",model="m"}`: queued, `gpt_requests_in_flight{command="gpt-map",model="m"}`: inFlight}
		if queued+inFlight == 0 {
			want = map[string]float64{}
		}
		if got := c.Gauges(); !maps.Equal(got, want) {
			t.Errorf("%v, not %v", got, want)
		}
	}
	gauges(0, 0)
	for range 3 {
		go func() {
			q.Complete(t.Context(), &llm.Request{Model: "m"})
			done <- true
		}()
	}
	for range 3 {
		<-limited
	}
	gauges(3, 0)
	free <- true
	<-sent
	gauges(2, 1)
	free <- false // one gives up
	<-done
	gauges(1, 1)
	free <- true
	<-sent
	gauges(0, 2)
	answered <- true
	answered <- true
	<-done
	<-done
	gauges(0, 0)
	totals := c.Take()
	for series, want := range map[string]float64{
		`gpt_tokens_total{command="gpt-map",model="m",kind="input"}`:  20,
		`gpt_tokens_total{command="gpt-map",model="m",kind="output"}`: 6,
		`gpt_cost_dollars_total{command="gpt-map",model="m"}`:         0.5,
	} {
		if totals[series] != want {
			t.Errorf("%s is %v, not %v", series, totals[series], want)
		}
	}
	if wait := totals[`gpt_limit_wait_seconds_total{command="gpt-map",model="m"}`]; wait < 0.004 {
		t.Errorf("waited for %v s", wait)
	}
	if requests, tokens := c.Used(); requests != 2 || tokens != 26 {
		t.Errorf("%d requests, %d tokens", requests, tokens)
	}
}

// A run that lasts, as one of batches does, has its series begin at nothing.
func TestZero(t *testing.T) {
	c := NewCounters(func(string) string { return "label" })
	c.Zero("gpt-map", "m", true)
	want := map[string]float64{
		`gpt_requests_total{command="gpt-map",model="label",status="200"}`: 0,
		`gpt_tokens_total{command="gpt-map",model="label",kind="input"}`:   0,
		`gpt_tokens_total{command="gpt-map",model="label",kind="output"}`:  0,
		`gpt_cost_dollars_total{command="gpt-map",model="label"}`:          0,
	}
	if !c.Changed() {
		t.Error("nothing is to be told")
	}
	if got := c.Take(); !maps.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	c.Zero("gpt-map", "m", false)
	c.Billed("gpt-map", "m", Bill{Input: 2})
	want[`gpt_tokens_total{command="gpt-map",model="label",kind="input"}`] = 2
	delete(want, `gpt_cost_dollars_total{command="gpt-map",model="label"}`)
	if got := c.Take(); !maps.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
}

// However many models are asked, and however they are called, the series stay few and count everything.
func TestModelsAreBounded(t *testing.T) {
	c := NewCounters(strings.Clone)
	const asked = MaxModels + 500
	for n := range 2 * asked {
		c.Billed("gpt-map", fmt.Sprint("m", n%asked), Bill{Input: 1})
	}
	long := strings.Repeat("m", 2<<20)
	c.Zero("gpt-map", long, false)
	c.Billed("gpt-map", long, Bill{Input: 1})
	sum, models := 0.0, map[string]bool{}
	for series, n := range c.Take() {
		model, _ := Model(series)
		models[model] = true
		if sum += n; len(series) > 200 {
			t.Fatalf("a series of %d bytes", len(series))
		}
	}
	if sum != 2*asked+1 || len(models) != MaxModels+1 || !models[OtherModel] || !models["m0"] {
		t.Errorf("%v tokens of %d models", sum, len(models))
	}
}

func TestModel(t *testing.T) {
	for model, want := range map[string]string{
		"gpt-4o":           "gpt-4o",
		`a"b\`:             `a\"b\\`,
		`a",model="b`:      `a\",model=\"b`,
		"a\nb":             `a\nb`,
		`\\`:               `\\\\`,
		`ends in a quote"`: `ends in a quote\"`,
	} {
		series := Series("x", "command", "gpt-map", "model", model, "kind", "input")
		got, other := Model(series)
		if got != want || other != Series("x", "command", "gpt-map", "model", "other", "kind", "input") {
			t.Errorf("%s: %s, %s", series, got, other)
		}
	}
	for _, series := range []string{"", "x", `x{kind="model"}`, `x{model="`, `x{model="a\`} {
		if model, other := Model(series); model != "" || other != series {
			t.Errorf("%s: %s, %s", series, model, other)
		}
	}
}

// Calls that ask a model nothing are requests, but the time they take is none of an answer.
func TestCall(t *testing.T) {
	c := NewCounters(strings.Clone)
	const inFlight = `gpt_requests_in_flight{command="gpt-map",model="m"}`
	for _, err := range []error{nil, &llm.Error{Type: llm.Auth, Status: 401}, &llm.Error{Type: llm.Connection}, context.Canceled} {
		got := c.Call("gpt-map", "m", func() error {
			if n := c.Gauges()[inFlight]; n != 1 {
				t.Errorf("%v in flight", n)
			}
			return err
		})
		if got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
	want := map[string]float64{
		`gpt_requests_total{command="gpt-map",model="m",status="200"}`:        1,
		`gpt_requests_total{command="gpt-map",model="m",status="401"}`:        1,
		`gpt_requests_total{command="gpt-map",model="m",status="connection"}`: 1,
	}
	if got := c.Take(); !maps.Equal(got, want) || len(c.Gauges()) > 0 {
		t.Errorf("%v and %v, not %v", got, c.Gauges(), want)
	}
	if requests, tokens := c.Used(); requests != 3 || tokens != 0 {
		t.Errorf("%d requests, %d tokens", requests, tokens)
	}
}
