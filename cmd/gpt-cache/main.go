// Gpt-cache looks after the state that all gptpipe commands of one user share, and is the process that keeps it.
package main

import "gptpipe/pkg/cli"

func main() { cli.Main("gpt-cache", usage, run) }
