package cost

import (
	"fmt"
	"sync"
	"testing"

	"gptpipe/pkg/price"
)

func TestEstimate(t *testing.T) {
	mini, _ := price.Builtin().Lookup("gpt-5-mini")
	embedding, _ := price.Builtin().Lookup("text-embedding-3-small")
	for _, test := range []struct {
		name   string
		price  *price.Price
		answer int
		inputs []Input
		want   string
	}{
		{"nothing", &mini, 0, nil, `records: 0
input tokens: 0
output tokens: 0
cost: $0.00
prices of: 2026-01-02
`},
		{"bounded by the requests", &mini, 0, []Input{{Tokens: 1000, MaxOutput: 100, Answers: 1}, {Tokens: 3000, MaxOutput: 100, Answers: 2}}, `records: 2
input tokens: 4000
output tokens: 0 to 300
cost: $0.001 to $0.0016
prices of: 2026-01-02
`},
		{"as long as expected", &mini, 50, []Input{{Tokens: 1000, MaxOutput: 100, Answers: 1}, {Tokens: 3000, MaxOutput: 20, Answers: 1}}, `records: 2
input tokens: 4000
output tokens: 70 to 120
cost: $0.00114 to $0.00124
prices of: 2026-01-02
`},
		{"bounded by the model, input estimated", &mini, 1000, []Input{{Tokens: 1000, Estimated: 10, Answers: 1}}, `records: 1
input tokens: 1000
of these estimated: 10
output tokens: 1000 to 128000
cost: $0.00225 to $0.256253
prices of: 2026-01-02
`},
		{"embeddings", &embedding, Embeddings, []Input{{Tokens: 1000, Answers: 1}}, `records: 1
input tokens: 1000
output tokens: 0
cost: $0.00002
prices of: 2026-01-02
`},
		{"answers that cost nothing", &price.Price{}, 300, []Input{{Tokens: 1000, MaxOutput: 10, Answers: 1}}, `records: 1
input tokens: 1000
output tokens: 10
cost: $0.00
prices of: 2026-01-02
`},
		{"answers of any length that cost nothing", &price.Price{}, 300, []Input{{Tokens: 1000, Answers: 1}}, `records: 1
input tokens: 1000
output tokens: unknown
cost: $0.00
prices of: 2026-01-02
`},
		{"unknown model", nil, 300, []Input{{Tokens: 1000, Answers: 1}}, `records: 1
input tokens: 1000
output tokens: unknown
cost: unknown
`},
		{"unknown model, bounded by the request", nil, 0, []Input{{Tokens: 1000, MaxOutput: 9, Answers: 1}}, `records: 1
input tokens: 1000
output tokens: 0 to 9
cost: unknown
`},
		{"one that cannot be known", &mini, 9, []Input{{Tokens: 1000, MaxOutput: 9, Answers: 1}, {Tokens: 5, MaxOutput: 9, Answers: 1, Unknown: "because"}}, `records: 2
input tokens: 1005
output tokens: 18
cost: unknown
records of unknown cost: 1
prices of: 2026-01-02
`},
	} {
		e := NewEstimate(test.price, "2026-01-02", test.answer)
		for _, in := range test.inputs {
			e.Add(in)
		}
		if got := e.String(); got != test.want {
			t.Errorf("%s:\n%swant\n%s", test.name, got, test.want)
		}
	}
}

// A million records are summed without an error of rounding, from several
// goroutines.
func TestEstimateIsExact(t *testing.T) {
	p := price.Price{Rates: price.Rates{Input: 50e6, CachedInput: 5e6, CacheWrite: 50e6, Output: 400e6}, MaxOutput: 100}
	e := NewEstimate(&p, "", 10)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 250_000 {
				e.Add(Input{Tokens: i % 3, Answers: 1})
			}
		})
	}
	all.Wait()
	tokens := 4 * (83333*(1+2) + 0) // 250000 = 3·83333 + 1
	if want := price.Nano(tokens*50 + 1e6*10*400); e.least.cost != want {
		t.Errorf("at least %d, want %d", e.least.cost, want)
	}
	if want := price.Nano(tokens*50 + 1e6*100*400); e.most.cost != want {
		t.Errorf("at most %d, want %d", e.most.cost, want)
	}
}

func ExampleEstimate() {
	price, _ := price.Builtin().Lookup("gpt-5-nano")
	counter := NewCounter("gpt-5-nano")
	e := NewEstimate(&price, "", 0)
	for _, text := range []string{"one", "two", "three"} {
		in, err := counter.Count(fmt.Appendf(nil, `{"messages":[{"role":"user","content":%q}],"max_completion_tokens":100}`, text))
		if err != nil {
			fmt.Println(err)
		}
		e.Add(in)
	}
	e.Unasked("bad")
	fmt.Print(e)
	// Output:
	// records: 4
	// of these bad: 1
	// input tokens: 24
	// of these estimated: 18
	// output tokens: 0 to 300
	// cost: $0.000002 to $0.000123
}
