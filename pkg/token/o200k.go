package token

// nextO200k returns where the piece of o200k_base that begins at text[i:] ends.
// The pattern is
//
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?
//	\p{N}{1,3}
//	 ?[^\s\p{L}\p{N}]+[\r\n/]*
//	\s*[\r\n]+
//	\s+(?!\S)
//	\s+
func nextO200k(text string, i int) int {
	c, n := asciiAt(text, i), 1
	if c == 0 {
		c, n = classAt(text, i)
	}
	switch c {
	case number:
		return digits(text, i)
	case newline:
		return spaces(text, i)
	case space, other:
		next := asciiAt(text, i+n)
		if next == 0 {
			next, _ = classAt(text, i+n)
		}
		switch {
		case next&(letter|mark) != 0:
			return wordO200k(text, i+n)
		case c == other:
			return signsO200k(text, i+n)
		case next == other && text[i] == ' ':
			return signsO200k(text, i+n)
		}
		return spaces(text, i)
	}
	return wordO200k(text, i)
}

// wordO200k is the first two lines of the pattern, behind the sign or space
// that may stand in front. A mark may stand there too, but then it makes no
// difference to take it for part of the word.
func wordO200k(text string, i int) int {
	begin, end := i, i // behind the last letter or mark without case
	for {
		c, n := asciiAt(text, i), 1
		if c == 0 {
			c, n = classAt(text, i)
		}
		if c&(upper|uncased|mark) == 0 {
			if c == lower {
				return contraction(text, run(text, i+n, lower|uncased|mark))
			}
			break
		}
		i += n
		if c != upper {
			end = i
		}
	}
	// The word ends in capitals. If there is a letter or mark without case
	// among them, the first line matches up to the last such; else the second
	// line matches all.
	if end > begin {
		i = end
	}
	return contraction(text, i)
}

// signsO200k is [^\s\p{L}\p{N}]*[\r\n/]*.
func signsO200k(text string, i int) int {
	i = run(text, i, other|mark)
	for i < len(text) && (text[i] == '\n' || text[i] == '\r' || text[i] == '/') {
		i++
	}
	return i
}
