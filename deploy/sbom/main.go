// Command sbom tells what Go binaries are made of: of the modules that are really linked into them, as the linker has
// noted it there, it writes the bill of materials, or their licences, to stdout. It is run in the root of the sources.
// The same binaries give the same bytes.
package main

import (
	"fmt"
	"os"
)

func main() {
	var err error
	switch args := os.Args[1:]; {
	case len(args) > 2 && args[0] == "bom":
		err = writeBOM(os.Stdout, args[1], args[2:])
	case len(args) > 1 && args[0] == "licences":
		err = writeLicences(os.Stdout, args[1:])
	default:
		fmt.Fprintln(os.Stderr, "usage: sbom bom VERSION BINARY ... | sbom licences BINARY ...")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}
