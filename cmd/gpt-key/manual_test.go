package main

import (
	"maps"
	"slices"
	"testing"

	"gptpipe/test/manual"
)

func TestManual(t *testing.T) {
	manual.Check(t, manual.Command{Name: "gpt-key", Run: run, Calls: slices.Collect(maps.Keys(calls)), Usage: usage})
}
