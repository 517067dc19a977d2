package token

import (
	"strings"
	"sync"
)

// A pieceCache remembers how many tokens short pieces are: most of a text is
// the same words again, and a look-up costs less than the codec, which divides
// the piece a second time. It starts anew when it is full.
type pieceCache struct {
	mu sync.RWMutex
	n  map[string]int
}

const (
	cachedPiece  = 32      // longest piece kept, in bytes
	cachedPieces = 1 << 16 // most pieces kept
)

func (c *pieceCache) get(piece string) (n int, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n, ok = c.n[piece]
	return n, ok
}

func (c *pieceCache) put(piece string, n int) {
	if len(piece) > cachedPiece {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil || len(c.n) == cachedPieces {
		c.n = make(map[string]int)
	}
	c.n[strings.Clone(piece)] = n // the piece alone, not the text it is part of
}
