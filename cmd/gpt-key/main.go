// Gpt-key keeps the keys of the other commands and shows where they come from.
package main

import "gptpipe/pkg/cli"

func main() { cli.Main("gpt-key", usage, run) }
