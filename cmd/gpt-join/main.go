// Gpt-join puts records together to documents again.
package main

import "gptpipe/pkg/cli"

func main() { cli.Main("gpt-join", usage, run) }
