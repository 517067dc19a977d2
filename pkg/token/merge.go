package token

// longPiece is the length in bytes from which a piece is merged here.
const longPiece = 512

// merge divides a piece into its tokens: it begins with single bytes, and joins
// the neighbours that make the token of lowest rank, the leftmost of these
// first, until no two make a token. This is the definition of tiktoken's
// byte-pair encoding; a heap of candidates makes it n log n.
func (e *Encoding) merge(piece string) []string {
	e.ranksOnce.Do(e.loadRanks)

	// The parts are a list: next[i] and prev[i] are where the part that begins
	// at byte i ends, and where the one before it begins; next is 0 for a byte
	// that is no longer the beginning of a part.
	n := int32(len(piece))
	next, prev := make([]int32, n+1), make([]int32, n+1)
	for i := range n {
		next[i], prev[i+1] = i+1, i
	}
	pairs := make(pairHeap, 0, n)
	add := func(i int32) { // the pair of parts that begins at i, if it is a token
		mid := next[i]
		if mid == n {
			return
		}
		if rank, ok := e.ranks[piece[i:next[mid]]]; ok {
			pairs.push(pair{rank: rank, begin: i, end: next[mid]})
		}
	}
	for i := range n {
		add(i)
	}
	for len(pairs) > 0 {
		p := pairs.pop()
		mid := next[p.begin]
		if mid == 0 || mid == n || next[mid] != p.end {
			continue // one of the two has been merged since
		}
		next[p.begin], next[mid] = p.end, 0
		prev[p.end] = p.begin
		add(p.begin)
		if p.begin > 0 {
			add(prev[p.begin])
		}
	}

	var tokens []string
	for i := int32(0); i < n; i = next[i] {
		tokens = append(tokens, piece[i:next[i]])
	}
	return tokens
}

// loadRanks reads the vocabulary out of the codec, which does not show it.
func (e *Encoding) loadRanks() {
	ranks := make(map[string]int32, 200_000)
	for id := 0; ; id++ {
		token, err := e.codec.Decode([]uint{uint(id)})
		if err != nil {
			break
		}
		ranks[token] = int32(id)
	}
	e.ranks = ranks
}

// A pair is two neighbouring parts which together are a token.
type pair struct {
	rank       int32
	begin, end int32
}

func (p pair) before(q pair) bool {
	return p.rank < q.rank || p.rank == q.rank && p.begin < q.begin
}

// A pairHeap is a binary heap. It is not container/heap, which allocates for
// every element.
type pairHeap []pair

func (h *pairHeap) push(p pair) {
	s := append(*h, p)
	i := len(s) - 1
	for i > 0 && p.before(s[(i-1)/2]) {
		s[i] = s[(i-1)/2]
		i = (i - 1) / 2
	}
	s[i] = p
	*h = s
}

func (h *pairHeap) pop() pair {
	s := *h
	first, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	for i, child := 0, 1; len(s) > 0; child = 2*i + 1 {
		if child+1 < len(s) && s[child+1].before(s[child]) {
			child++
		}
		if child >= len(s) || !s[child].before(last) {
			s[i] = last
			break
		}
		s[i] = s[child]
		i = child
	}
	*h = s
	return first
}
