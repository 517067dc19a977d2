package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"gptpipe/pkg/keeper"
)

// An amount is a flag value: a size such as 2000000000, 500MB, 2GB or 1GiB.
type amount int64

var units = map[string]float64{
	"": 1, "B": 1,
	"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40,
}

// Set reads s, for flag.Value.
func (a *amount) Set(s string) error {
	digits := strings.TrimRight(s, "BKMGTibkmgtI ")
	unit, known := units[strings.ToUpper(strings.TrimSpace(s[len(digits):]))]
	n, err := strconv.ParseFloat(digits, 64)
	switch {
	case err != nil || !known || math.IsNaN(n) || n*unit >= math.MaxInt64:
		return fmt.Errorf("not a size such as 500MB, 2GB or 1GiB")
	case n*unit < keeper.MinSize:
		return fmt.Errorf("less than %dMB", keeper.MinSize/1_000_000)
	}
	*a = amount(n * unit)
	return nil
}

func (a *amount) String() string { return strconv.FormatInt(int64(*a), 10) }

// size is a number of bytes as one reads it.
func size(n uint64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/unit, 0
	for ; v >= unit && i < len("KMGT")-1; i++ {
		v /= unit
	}
	return fmt.Sprintf("%.1f %ciB", v, "KMGT"[i])
}
