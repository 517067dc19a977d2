package main

import (
	"testing"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/client"
	"gptpipe/test/manual"
)

func TestManualAndUsageHaveEveryFlag(t *testing.T) {
	flags := cli.NewFlags()
	new(options).register(flags)
	new(client.Flags).Register(flags)
	manual.Check(t, flags, usage, "gpt-map.1")
}
