package price

import (
	"math"
	"math/big"
	"testing"
)

func TestPriceOf(t *testing.T) {
	mini, _ := Builtin().Lookup("gpt-5-mini") // 0.25, 0.025, 2
	long := Price{Rates: Rates{2 * Dollar, 200e6, 2500e6, 10 * Dollar}, LongAbove: 272000, Long: Rates{4 * Dollar, 400e6, 5 * Dollar, 15 * Dollar}}
	for _, test := range []struct {
		name  string
		price Price
		usage Usage
		want  Nano
	}{
		{"nothing", mini, Usage{}, 0},
		{"one token of input", mini, Usage{Input: 1}, 250},
		{"both", mini, Usage{Input: 1000, Output: 200}, 250e3 + 400e3},
		{"cached", mini, Usage{Input: 1000, Cached: 600, Output: 200}, 100e3 + 15e3 + 400e3},
		{"more cached than there is", mini, Usage{Input: 10, Cached: 600}, 250},
		{"written", long, Usage{Input: 1000, Cached: 100, Written: 800, Output: 1}, 200e3 + 20e3 + 2000e3 + 10e3},
		{"more written than there is", long, Usage{Input: 10, Cached: 4, Written: 100}, 800 + 15000},
		{"not yet long", long, Usage{Input: 272000}, 544e6},
		{"long: all of it", long, Usage{Input: 272001, Cached: 1, Output: 2}, 272000*4000 + 400 + 30000},
		{"rounded up once", Price{Rates: Rates{Input: 300e3, CachedInput: 300e3, Output: 300e3}}, Usage{Input: 3, Cached: 1, Output: 1}, 2},
		{"absurd", Price{Rates: Rates{Output: maxPrice}}, Usage{Output: math.MaxInt}, math.MaxInt64},
	} {
		if got := test.price.Of(test.usage); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
	if got := long.Most(1000, 10); got != 2500e3+100e3 {
		t.Errorf("at most %d: the input may be written to the cache", got)
	}
	if got := mini.Most(1000, 10); got != 250e3+20e3 {
		t.Errorf("at most %d", got)
	}
}

func TestScale(t *testing.T) {
	p := Price{Rates: Rates{5e6, 5e5, 5e6, 4e8}, MaxOutput: 9, LongAbove: 7, Long: Rates{1, 2, 3, 4}}
	if got, want := p.Scale(Half), (Price{Rates: Rates{25e5, 25e4, 25e5, 2e8}, MaxOutput: 9, LongAbove: 7, Long: Rates{1, 1, 2, 2}}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if p.Scale(Standard) != p {
		t.Errorf("%+v", p.Scale(Standard))
	}
	for tier, want := range map[string]int{"": 100, "auto": 100, "default": 100, "flex": 50, "priority": 0, "fast": 0, "scale": 0} {
		if got, known := TierPercent(tier); got != want || known != (want > 0) {
			t.Errorf("%q: %d, %v", tier, got, known)
		}
	}
}

// Sums are those of exact arithmetic.
func FuzzSum(f *testing.F) {
	f.Add(uint32(1), int64(250e6), uint32(3), int64(2e9))
	f.Add(uint32(math.MaxUint32), int64(math.MaxInt64), uint32(math.MaxUint32), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, m uint32, a int64, n uint32, b int64) {
		if a < 0 || b < 0 {
			t.Skip()
		}
		got := sum(term{int(m), Nano(a)}, term{int(n), Nano(b)})
		want := new(big.Int).Mul(big.NewInt(int64(m)), big.NewInt(a))
		want.Add(want, new(big.Int).Mul(big.NewInt(int64(n)), big.NewInt(b)))
		want.Add(want, big.NewInt(1e6-1)).Div(want, big.NewInt(1e6))
		if largest := big.NewInt(math.MaxInt64); want.Cmp(largest) > 0 {
			want = largest
		}
		if want.Int64() != int64(got) {
			t.Errorf("%d·%d + %d·%d = %d millionths, want %v", m, a, n, b, got, want)
		}
	})
}

func TestParseUsage(t *testing.T) {
	for text, want := range map[string]Usage{
		`{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"prompt_tokens_details":{"cached_tokens":1,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":2}}`: {Input: 3, Cached: 1, Output: 4},
		`{"input_tokens":30,"input_tokens_details":{"cached_tokens":10,"cache_write_tokens":20},"output_tokens":4,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":7}`:  {Input: 30, Cached: 10, Written: 20, Output: 4},
		`{"prompt_tokens":3,"prompt_tokens_details":null}`:                             {Input: 3},
		`{ "prompt_tokens" : 3 , "completion_tokens" : null }`:                         {Input: 3},
		`{"prompt_tokens":3,"input_tokens":3,"completion_tokens":9,"output_tokens":9}`: {Input: 3, Output: 9},
	} {
		if got, ok := ParseUsage([]byte(text)); !ok || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "null", "{}", "3", "[]", `{"prompt_tokens":"3"}`, `{"prompt_tokens":-3,"completion_tokens":4}`,
		`{"prompt_tokens":3,"completion_tokens":99999999999}`, `{"prompt_tokens":3,"completion_tokens":1.5}`, `{"prompt_tokens":3`,
		`{"prompt_tokens":0,"completion_tokens":0}`, `{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":-1}}`} {
		if got, ok := ParseUsage([]byte(text)); ok {
			t.Errorf("%s is taken as %+v", text, got)
		}
	}
}
