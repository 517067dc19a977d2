// Gpt-map asks a model about each record of a stream.
package main

import "gptpipe/pkg/cli"

func main() { cli.Main("gpt-map", usage, run) }
