// Gpt-ask asks a model one question.
package main

import "gptpipe/pkg/cli"

func main() { cli.Main("gpt-ask", usage, run) }
