package main

import (
	"strings"
	"testing"
	"time"

	"gptpipe/pkg/hub"
)

func TestBudgets(t *testing.T) {
	var got strings.Builder
	budgets(&got, []hub.BudgetUse{
		{Budget: hub.Budget{Name: "https://api.example.com/v1\ndefault\ngpt-4o", PerSecond: 2.5, TokensPerMinute: 1e6}, Users: 3, Waiting: 40},
		{Budget: hub.Budget{Name: "a\x1b", PerMinute: 5}, Users: 1, Held: 100 * time.Second},
		{Budget: hub.Budget{Name: "free"}, Users: 1},
	})
	want := `budget: users 3, waiting 40, rps 2.5, tpm 1000000, https://api.example.com/v1 default gpt-4o
budget: users 1, waiting 0, rpm 5, held 1m40s, a?
`
	if got.String() != want {
		t.Errorf("%s", got.String())
	}
}
