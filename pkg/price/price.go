// Package price says what tokens cost.
//
// A [Table] holds the prices of models; [Builtin] is the one that comes with
// the program, and [Table.Override] puts a user's file over it. A model that is
// not in it has no price, which is never taken as a price of nothing.
//
// Amounts are integers, so that sums are exact: see [Nano].
package price

import (
	"math"
	"math/bits"
)

// Rates are the prices of a million tokens of each kind.
type Rates struct {
	Input       Nano
	CachedInput Nano // read from the provider's prompt cache
	CacheWrite  Nano // written to it
	Output      Nano
}

// A Price is what a model costs.
type Price struct {
	Rates
	MaxOutput int // tokens that the model can answer with, or 0: not known

	// A request with more than LongAbove input tokens is charged by Long, all
	// of it. LongAbove 0: there is no such rule.
	LongAbove int
	Long      Rates
}

// Percentages for Scale.
const (
	Standard = 100
	Half     = 50 // the Batch API, and service_tier flex
)

// TierPercent returns what a service_tier costs in percent of the standard
// price; auto counts as the default. Not known are the tiers that cost more,
// priority and fast, for their prices differ from model to model: they need a
// price file, and 100.
func TierPercent(tier string) (percent int, known bool) {
	switch tier {
	case "", "auto", "default":
		return Standard, true
	case "flex":
		return Half, true
	}
	return 0, false
}

// Scale returns the price at so many percent of it, to the next nano-dollar a
// million tokens.
func (p Price) Scale(percent int) Price {
	p.Rates, p.Long = p.Rates.scale(percent), p.Long.scale(percent)
	return p
}

func (r Rates) scale(percent int) Rates {
	of := func(n Nano) Nano { return Nano(ceilDiv(uint64(n), uint64(percent), 100)) }
	return Rates{of(r.Input), of(r.CachedInput), of(r.CacheWrite), of(r.Output)}
}

// Of returns what usage costs, rounded up to a nano-dollar.
func (p Price) Of(u Usage) Nano {
	r := p.rates(u.Input)
	cached := min(u.Cached, u.Input)
	written := min(u.Written, u.Input-cached)
	return sum(
		term{u.Input - cached - written, r.Input},
		term{cached, r.CachedInput},
		term{written, r.CacheWrite},
		term{u.Output, r.Output},
	)
}

// Most returns the most that so many tokens can cost: all of the input is new,
// and written to the cache if that is dearer.
func (p Price) Most(input, output int) Nano {
	r := p.rates(input)
	return sum(term{input, max(r.Input, r.CacheWrite)}, term{output, r.Output})
}

func (p Price) rates(input int) Rates {
	if p.LongAbove > 0 && input > p.LongAbove {
		return p.Long
	}
	return p.Rates
}

// A term is tokens at a price for a million of them.
type term struct {
	tokens int
	price  Nano
}

// sum adds exactly, in 128 bits, and rounds once. Neither tokens nor prices are
// negative.
func sum(terms ...term) Nano {
	var high, low uint64
	for _, t := range terms {
		h, l := bits.Mul64(uint64(t.tokens), uint64(t.price))
		var carry uint64
		low, carry = bits.Add64(low, l, 0)
		high += h + carry
	}
	return Nano(divide(high, low, 1e6))
}

// ceilDiv is a·b/c rounded up.
func ceilDiv(a, b, c uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return divide(high, low, c)
}

// divide rounds up, and stops at the largest Nano.
func divide(high, low, by uint64) uint64 {
	if high >= by {
		return math.MaxInt64
	}
	quotient, rest := bits.Div64(high, low, by)
	if rest > 0 && quotient < math.MaxInt64 {
		quotient++
	}
	return min(quotient, math.MaxInt64)
}
