package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// leastForPercent is how many records are to be done before a percentage of
// them is judged.
const leastForPercent = 100

// A halt is a flag value: a number of failed records, or a percentage of those
// done, at which the run stops. The zero value never does.
type halt struct {
	failures int64
	percent  float64
	given    string
}

// Set reads s, for flag.Value.
func (h *halt) Set(s string) error {
	*h = halt{given: s}
	if number, ok := strings.CutSuffix(s, "%"); ok {
		p, err := strconv.ParseFloat(number, 64)
		if err != nil || !(p > 0) || p > 100 || math.IsInf(p, 0) {
			return fmt.Errorf("not a percentage above 0%% and up to 100%%")
		}
		h.percent = p
		return nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 {
		return fmt.Errorf("neither a number of failures from 1 on nor a percentage")
	}
	h.failures = n
	return nil
}

func (h *halt) String() string { return h.given }

// reached reports whether so many failures among so many records are enough.
func (h *halt) reached(failed, done int64) bool {
	switch {
	case failed == 0:
		return false
	case h.failures > 0:
		return failed >= h.failures
	}
	return h.percent > 0 && done >= leastForPercent && 100*float64(failed) >= h.percent*float64(done)
}
