package main

import (
	"fmt"
	"testing"
)

// Equal questions are known as long as there is room; beyond that they count as
// different, and never the other way round.
func TestQuestions(t *testing.T) {
	q := newQuestions(100)
	for round := range 2 {
		for i := range 200 {
			if known := q.has(fmt.Append(nil, i)); known != (round == 1 && i < 100) {
				t.Errorf("round %d, %d: %t", round, i, known)
			}
		}
	}
}
