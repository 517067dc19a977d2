package token

// nextCL100k returns where the piece of cl100k_base that begins at text[i:]
// ends. The pattern is
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)
//	[^\r\n\p{L}\p{N}]?\p{L}+
//	\p{N}{1,3}
//	 ?[^\s\p{L}\p{N}]+[\r\n]*
//	\s*[\r\n]+
//	\s+(?!\S)
//	\s+
func nextCL100k(text string, i int) int {
	c, n := asciiAt(text, i), 1
	if c == 0 {
		c, n = classAt(text, i)
	}
	switch c {
	case number:
		return digits(text, i)
	case newline:
		return spaces(text, i)
	case space, other, mark:
		if text[i] == '\'' {
			if end := contraction(text, i); end > i {
				return end
			}
		}
		next, m := asciiAt(text, i+n), 1
		if next == 0 {
			next, m = classAt(text, i+n)
		}
		switch {
		case next&letter != 0:
			return run(text, i+n+m, letter)
		case c != space:
			return signsCL100k(text, i+n)
		case next&(other|mark) != 0 && text[i] == ' ':
			return signsCL100k(text, i+n+m)
		}
		return spaces(text, i)
	}
	return run(text, i+n, letter)
}

// signsCL100k is [^\s\p{L}\p{N}]*[\r\n]*.
func signsCL100k(text string, i int) int {
	i = run(text, i, other|mark)
	for i < len(text) && (text[i] == '\n' || text[i] == '\r') {
		i++
	}
	return i
}
