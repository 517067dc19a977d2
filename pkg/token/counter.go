package token

// A counter counts the tokens of pieces. It is for one goroutine at a time.
//
// Most of a text is the same short pieces again, so it remembers the counts of
// those, in a table in which a piece has one place that it shares with others.
type counter struct {
	merger
	known [1 << knownBits]known
}

const (
	knownBits   = 16
	knownLength = 15 // of the longest piece that is remembered, in bytes
)

// A known is a piece and its count: 15 bytes, of which those behind the piece
// are 0, and above them four bits with the count and four with the length.
type known struct{ low, high uint64 }

const countAt, lengthAt = 56, 60

// count returns the number of tokens of the piece text[i:end].
func (c *counter) count(text string, i, end int) int {
	n := end - i
	if n > knownLength {
		return c.tokens(text[i:end])
	}
	var low, high uint64
	if i+16 <= len(text) {
		low, high = load(text[i:i+8]), load(text[i+8:i+16])
		low &= lengthMasks[n].low
		high &= lengthMasks[n].high
	} else {
		for k := n - 1; k >= 0; k-- {
			high = high<<8 | low>>56
			low = low<<8 | uint64(text[i+k])
		}
	}
	high |= uint64(n) << lengthAt
	slot := &c.known[(low^high*0xff51afd7ed558ccd)*0x9e3779b97f4a7c15>>(64-knownBits)]
	if slot.low == low && slot.high&^(15<<countAt) == high {
		return int(slot.high >> countAt & 15)
	}
	tokens := c.tokens(text[i:end])
	*slot = known{low, high | uint64(tokens)<<countAt}
	return tokens
}

func load(b string) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// lengthMasks keeps the first n bytes of 15.
var lengthMasks = func() (m [knownLength + 1]known) {
	for n := range m {
		m[n].low = 1<<(8*min(n, 8)) - 1
		m[n].high = 1<<(8*max(n-8, 0)) - 1
	}
	return m
}()
