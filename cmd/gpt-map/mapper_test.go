package main

import (
	"testing"

	"gptpipe/pkg/record"
)

// What is about an answer that failed goes with it, and what an earlier stage left stays.
func TestAboutFailure(t *testing.T) {
	r, err := record.Parse([]byte(`{"gpt":{"finish_reason":"stop"}}`))
	if err != nil || !aboutFailure(&r, "refusal") {
		t.Errorf("a refusal's is kept, %v", err)
	}
	for line, want := range map[string]bool{
		`{"gpt":{"finish_reason":"length"}}`:         true,
		`{"gpt":{"finish_reason":"content_filter"}}`: true,
		`{"gpt":{"finish_reason":"stop"}}`:           false,
		`{"gpt":"mine"}`:                             false,
		`{"text":"x"}`:                               false,
	} {
		r, err := record.Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if got := aboutFailure(&r, "server"); got != want {
			t.Errorf("%s: %t", line, got)
		}
	}
}
