package price

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseUSD(t *testing.T) {
	for text, want := range map[string]Nano{
		"0": 0, "1": Dollar, "0.075": 75e6, "1.25": 1250e6, "0.000000001": 1, "1e-3": 1e6, "12.5e1": 125 * Dollar,
		"1000000000": 1e9 * Dollar, "0.1": 1e8, "0.3": 3e8,
	} {
		if got, err := ParseUSD(text); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", " 1", "$1", "1,50", "-1", "-0", "+1", "NaN", "nan", "Inf", "infinity", "0x1p4", "1_000", "1/2", "2e9", "1e400",
		"0.0000000001", "1e-400000", "null", `"1"`, "1.2.3", strings.Repeat("0", 100),
	} {
		if got, err := ParseUSD(text); err == nil {
			t.Errorf("%q is taken as %d", text, got)
		}
	}
}

func TestAmountsAsText(t *testing.T) {
	for n, want := range map[Nano]string{
		0: "$0.00", 1: "$0.000001", 625e3: "$0.000625", 625001: "$0.000626", 1e8: "$0.10", 125e6: "$0.125",
		999999999: "$1.00", Dollar: "$1.00", 12345e6: "$12.35", 12340e6: "$12.34", -Dollar: "-$1.00", math.MaxInt64: "$9223372036.86",
	} {
		if got := n.String(); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

func TestBuiltinTable(t *testing.T) {
	table := Builtin()
	if _, err := time.Parse(time.DateOnly, table.Date("gpt-5-mini-2025-08-07")); err != nil || !strings.HasPrefix(table.Source(), "https://") {
		t.Errorf("taken %q from %q", table.Date("gpt-5-mini-2025-08-07"), table.Source())
	}
	for model, p := range table.models {
		embeds := strings.HasPrefix(model, "text-embedding-")
		if p.Input <= 0 || p.CachedInput <= 0 || p.CachedInput > p.Input || p.CacheWrite < p.Input {
			t.Errorf("%s: %+v", model, p)
		}
		if embeds != (p.Output == 0) || embeds != (p.MaxOutput == 0) || !embeds && p.Output < p.Input {
			t.Errorf("%s: output %+v", model, p)
		}
		if (p.LongAbove > 0) != (p.Long.Output > p.Output) {
			t.Errorf("%s: long %+v", model, p)
		}
	}
	p, ok := table.Lookup("gpt-5-mini")
	if want := (Price{Rates: Rates{Input: 250e6, CachedInput: 25e6, CacheWrite: 250e6, Output: 2 * Dollar}, MaxOutput: 128000}); !ok || p != want {
		t.Errorf("gpt-5-mini: %+v", p)
	}
}

func TestLookup(t *testing.T) {
	for model, same := range map[string]string{
		"gpt-5-mini-2025-08-07":               "gpt-5-mini",
		"gpt-4o-2024-08-06":                   "gpt-4o",
		"ft:gpt-4o-2024-08-06:acme::Ab12":     "ft:gpt-4o",
		"ft:gpt-4o-mini-2024-07-18:acme:x:Ab": "ft:gpt-4o-mini",
		"gpt-6.2-sol-2026-11-17":              "gpt-6.2-sol",
	} {
		got, ok := Builtin().Lookup(model)
		if want, known := Builtin().Lookup(same); !ok || !known || got != want {
			t.Errorf("%s: %+v, want that of %s, %+v", model, got, same, want)
		}
	}
	own, _ := Builtin().Lookup("gpt-4o-2024-05-13")
	if base, _ := Builtin().Lookup("gpt-4o"); own == base {
		t.Error("a snapshot with an entry of its own has the price of its base")
	}
	for _, model := range []string{"", "gpt", "gpt-5-minimal", "gpt-5-mini-2025", "gpt-5-mini-x-2025-08-07", "my-deployment", "llama3", "ft:gpt-5-mini:a::b", "gpt-5-mini-2025-08-07-2025-08-07"} {
		if p, ok := Builtin().Lookup(model); ok {
			t.Errorf("%q has the price %+v", model, p)
		}
	}
}

func TestOverride(t *testing.T) {
	table, err := Builtin().Override("mine.json", []byte(`{"models":{
		"gpt-5-mini": {"input": 1, "output": 3.5},
		"gpt-5-nano-2025-08-07": {"input": 7, "output": 0, "max_output": 99},
		"llama3": {"input": 0, "cached_input": 0, "output": 0},
		"big": {"input": 2, "cached_input": 0.5, "cache_write": 2.5, "output": 8, "long": {"above": 1000, "input": 4, "output": 12}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]Price{
		"gpt-5-mini":            {Rates: Rates{Dollar, Dollar, Dollar, 3500e6}, MaxOutput: 128000},
		"gpt-5-mini-2025-08-07": {Rates: Rates{Dollar, Dollar, Dollar, 3500e6}, MaxOutput: 128000},
		"gpt-5-nano-2025-08-07": {Rates: Rates{7 * Dollar, 7 * Dollar, 7 * Dollar, 0}, MaxOutput: 99},
		"llama3":                {},
		"big":                   {Rates: Rates{2 * Dollar, 500e6, 2500e6, 8 * Dollar}, LongAbove: 1000, Long: Rates{4 * Dollar, 4 * Dollar, 4 * Dollar, 12 * Dollar}},
	} {
		if got, ok := table.Lookup(model); !ok || got != want {
			t.Errorf("%s: %+v, %v; want %+v", model, got, ok, want)
		}
	}
	if p, _ := table.Lookup("gpt-5-nano"); p.Input != 50e6 {
		t.Errorf("gpt-5-nano has changed: %+v", p)
	}
	if p, _ := Builtin().Lookup("gpt-5-mini"); p.Input != 250e6 {
		t.Errorf("the built-in table has changed: %+v", p)
	}
	later, err := table.Override("later.json", []byte(`{"date":"2030-01-02","models":{"llama3":{"input":1,"output":1}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for model, want := range map[string]string{"gpt-5-mini-2025-08-07": "", "gpt-4o": Builtin().Date("gpt-4o"), "llama3": "2030-01-02", "no such": ""} {
		if got := later.Date(model); got != want {
			t.Errorf("%s: date %q, want %q", model, got, want)
		}
	}
}

func TestBadPriceFiles(t *testing.T) {
	entry := func(text string) string { return `{"models":{"gpt-x":` + text + `}}` }
	for text, part := range map[string]string{
		``:                                  "ends too early",
		`{"models":`:                        "ends too early",
		`[]`:                                "array",
		`{}`:                                "no models",
		`{"models":null}`:                   "no models",
		`{"models":{}} x`:                   "behind",
		`{"model":{}}`:                      `unknown field "model"`,
		`{"models":{},"currency":"EUR"}`:    `unknown field "currency"`,
		entry(`{"input":1}`):                "no price for output",
		entry(`{"output":1}`):               "no price for input",
		entry(`null`):                       "no price for input",
		entry(`3`):                          "number",
		entry(`{"input":1,"outputs":2}`):    `unknown field "outputs"`,
		entry(`{"input":-1,"output":2}`):    "input: -1 is negative",
		entry(`{"input":NaN,"output":2}`):   "invalid character 'N'",
		entry(`{"input":"1","output":2}`):   "not an amount",
		entry(`{"input":1,"output":1e300}`): "output: 1e300 is more",
		entry(`{"input":1,"output":2e6}`):   "more than a dollar a token",
		entry(`{"input":1,"output":1e-10}`): "nine decimals",
		entry(`{"input":1,"output":1,"max_output":-5}`):                                    "max_output",
		entry(`{"input":1,"output":1,"max_output":1.5}`):                                   "max_output",
		entry(`{"input":1,"output":1,"long":{"input":1,"output":2}}`):                      "above",
		entry(`{"input":1,"output":1,"long":{"above":5,"input":1}}`):                       "long: it has no price for output",
		entry(`{"input":1,"output":1,"long":{"above":5,"input":1,"output":1,"more":"x"}}`): `unknown field "more"`,
	} {
		_, err := Builtin().Override("mine.json", []byte(text))
		var e *TableError
		if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), "mine.json: ") || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one of %q", text, err, part)
		}
		if e != nil && (e.Model == "gpt-x") != (strings.Contains(text, "gpt-x") && !strings.Contains(text, "NaN")) {
			t.Errorf("%s: it is said of model %q", text, e.Model)
		}
	}
}

// The file that comes along is one that a user could write, in the form that
// people edit: one entry a line.
func TestBuiltinFileIsOneEntryALine(t *testing.T) {
	lines := bytes.Count(prices, []byte(`"input": `)) - bytes.Count(prices, []byte(`"long": `))
	if lines != len(Builtin().models) || bytes.Count(prices, []byte("\n")) < lines {
		t.Errorf("%d entries in the file, %d in the table: a name stands twice?", lines, len(Builtin().models))
	}
}
