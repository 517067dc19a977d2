package price

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// A Nano is an amount of money in billionths of a US dollar.
type Nano int64

// Dollar is one US dollar.
const Dollar Nano = 1e9

// maxDollars bounds what ParseUSD reads, so that an amount times a price still
// has room in a Nano.
const maxDollars = 1e9

// ParseUSD reads an amount in US dollars, in decimal notation with at most nine
// decimals: no sign, no symbol, no NaN.
func ParseUSD(text string) (Nano, error) {
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil, math.IsNaN(f), strings.ContainsAny(text, "xX_pP+"), len(text) > 40:
		return 0, fmt.Errorf("%q is not an amount of dollars", text)
	case f < 0 || strings.HasPrefix(text, "-"):
		return 0, fmt.Errorf("%s is negative", text)
	case f > maxDollars:
		return 0, fmt.Errorf("%s is more than a billion dollars", text)
	}
	// The decimal itself, since 0.075 is no binary fraction.
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return 0, fmt.Errorf("%q is not an amount of dollars", text)
	}
	r.Mul(r, new(big.Rat).SetInt64(int64(Dollar)))
	if !r.IsInt() {
		return 0, errors.New(text + " has more than nine decimals")
	}
	return Nano(r.Num().Int64()), nil
}

// USD returns the amount in dollars, for what counts in floating point.
func (n Nano) USD() float64 { return float64(n) / float64(Dollar) }

// String writes the amount as people read it: $12.35, and below a dollar to a
// millionth: $0.000625. It rounds upwards, so that only nothing is $0.00.
func (n Nano) String() string {
	if n < 0 {
		return "-" + (-n).String()
	}
	unit, decimals := Dollar/100, 2
	if n < Dollar {
		unit, decimals = Dollar/1e6, 6
	}
	units := int64(n / unit)
	if n%unit > 0 {
		units++
	}
	text := fmt.Sprintf("%0*d", decimals+1, units)
	whole, fraction := text[:len(text)-decimals], text[len(text)-decimals:]
	for len(fraction) > 2 && strings.HasSuffix(fraction, "0") {
		fraction = fraction[:len(fraction)-1]
	}
	return "$" + whole + "." + fraction
}

// Plus is the sum of two amounts that are not negative, or the largest there is.
func (a Nano) Plus(b Nano) Nano {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
