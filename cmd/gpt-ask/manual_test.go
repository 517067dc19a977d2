package main

import (
	"testing"

	"gptpipe/test/manual"
)

func TestManual(t *testing.T) {
	manual.Check(t, manual.Command{Name: "gpt-ask", Run: run, Usage: usage})
}
