// Gpt-chunk divides long text into records within a budget.
package main

import "gptpipe/pkg/cli"

func main() { cli.Main("gpt-chunk", usage, run) }
