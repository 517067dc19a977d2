package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

const blockSize = 128

// classes lays out the class of every code point, one bit of a byte for each,
// in the order of the letters in order. The table is in two stages: first the
// number of the block for every 128 code points, then the blocks.
func classes(name string) ([]byte, error) {
	const order = "ULBMNSRO" // as the constants in package token; R is CR and LF, O all others
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	all := bytes.Repeat([]byte{1 << strings.IndexByte(order, 'O')}, 0x110000)
	for line := range bytes.Lines(data) {
		var first, last rune
		var class string
		if _, err := fmt.Sscanf(string(line), "%X %X %s", &first, &last, &class); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, line, err)
		}
		for r := first; r <= last; r++ {
			all[r] = 1 << strings.Index(order, class)
		}
	}
	all['\r'] = 1 << strings.IndexByte(order, 'R')
	all['\n'] = all['\r']

	var index, blocks []byte
	numbers := map[string]int{}
	for i := 0; i < len(all); i += blockSize {
		block := string(all[i : i+blockSize])
		n, ok := numbers[block]
		if !ok {
			n = len(numbers)
			numbers[block] = n
			blocks = append(blocks, block...)
		}
		if n > 255 {
			return nil, fmt.Errorf("more than 256 different blocks of %d code points", blockSize)
		}
		index = append(index, byte(n))
	}
	return append(index, blocks...), nil
}
