package token

import "math/bits"

// The patterns divide a text into pieces. Each function here stands for a part
// of them, and returns where a match that begins at text[i:] ends. No part of a
// pattern looks back, so a piece depends on the text from where it begins.

// digits is \p{N}{1,3}.
func digits(text string, i int) int {
	for range 3 {
		c, n := classAt(text, i)
		if c != number {
			break
		}
		i += n
	}
	return i
}

// run is a repetition of code points in set.
func run(text string, i int, set class) int {
	for {
		if set&lower != 0 {
			i = lowerRun(text, i)
		}
		for asciiAt(text, i)&set != 0 {
			i++
		}
		c, n := classAt(text, i)
		if c&set == 0 {
			return i
		}
		i += n
	}
}

// lowerRun is [a-z]*. It looks at eight bytes at once: in their highest bits,
// it adds up which are at least an a and which are more than a z.
func lowerRun(text string, i int) int {
	const ones = 0x0101010101010101
	for ; i+8 <= len(text); i += 8 {
		x := load(text[i:])
		ascii := x &^ (0x80 * ones)
		is := (ascii + (0x80-'a')*ones) &^ (ascii + (0x7f-'z')*ones) &^ x & (0x80 * ones)
		if is != 0x80*ones {
			return i + bits.TrailingZeros64(is^0x80*ones)/8
		}
	}
	return i
}

// spaces is \s*[\r\n]+|\s+(?!\S)|\s+ where text[i:] begins with white space:
// up to the last line break of the run, else up to its last code point, which
// is left to the word behind it, if it has more than one.
func spaces(text string, i int) int {
	begin, last, broken := i, i, i
	for {
		c, n := asciiAt(text, i), 1
		if c == 0 {
			c, n = classAt(text, i)
		}
		if c&(space|newline) == 0 {
			break
		}
		last = i
		i += n
		if c == newline {
			broken = i
		}
	}
	switch {
	case broken > begin:
		return broken
	case i < len(text) && last > begin:
		return last
	}
	return i
}

// contraction is (?i:'s|'t|'re|'ve|'m|'ll|'d)?. Regardless of case, the long s
// is an s.
func contraction(text string, i int) int {
	if i < len(text) && text[i] == '\'' {
		return i + contracted(text[i+1:])
	}
	return i
}

// contracted returns the length of a contraction, the apostrophe included, of
// which after is what follows the apostrophe, or 0.
func contracted(after string) int {
	if after == "" {
		return 0
	}
	switch after[0] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	}
	if len(after) < 2 {
		return 0
	}
	switch a, b := after[0]|0x20, after[1]|0x20; {
	case a == 'l' && b == 'l', a == 'v' && b == 'e', a == 'r' && b == 'e', after[:2] == "ſ":
		return 3
	}
	return 0
}
