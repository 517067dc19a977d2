package token

import "unsafe"

// Walk counts text piece by piece and calls visit at ends of pieces, with the
// offset and how many tokens there are up to there. What visit returns is the offset
// from which on it is called next, or less than 0 to stop. The first call is at the
// end of the first piece. The last pieces may be others if more text follows.
//
// The text must be valid UTF-8, and must not change meanwhile.
func (e *Encoding) Walk(text []byte, visit func(end, tokens int) (next int)) {
	c := e.acquire()
	defer e.release(c)
	s := unsafe.String(unsafe.SliceData(text), len(text))
	tokens, next := 0, 0
	for i := 0; i < len(s); {
		end := e.next(s, i)
		tokens += c.count(s, i, end)
		i = end
		if i < next {
			continue
		}
		if next = visit(i, tokens); next < 0 {
			return
		}
	}
}
