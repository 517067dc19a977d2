package token

import "math"

// A merger divides pieces into tokens, and keeps the memory for that.
type merger struct {
	*vocabulary
	parts  []part
	dead   []uint64 // a ring with a bit for each of the last offsets tried
	seen   seen
	judged [1 << judgedBits]judged
}

// A part is a token of a piece.
type part struct{ id, length uint32 }

// window is how far the merge may go back while memory is bounded, in bytes. The
// farthest seen in hundreds of thousands of pieces made for it was 148.
const window = 4 << 10

// tokens returns the number of tokens of a piece, which is not empty.
func (m *merger) tokens(piece string) int {
	if tokens, ok := m.merge(piece, window); ok {
		return tokens
	}
	tokens := len(m.divide(piece))
	m.parts, m.dead = nil, nil
	return tokens
}

// divide returns the tokens of a piece, which is not empty. The result is good
// until the next call.
func (m *merger) divide(piece string) []part {
	size := window
	for size < len(piece)+3*sight {
		size *= 2
	}
	m.merge(piece, size)
	return m.parts
}

// merge divides a piece as byte-pair encoding does: that begins with single
// bytes, and joins the two neighbours that make the token of the lowest rank, the
// leftmost of these first, until no two make a token. It returns the number of
// tokens, of which the last are in m.parts: at least as many as window, which is
// a power of two. It is not ok if it would have to go back about as many bytes
// from the farthest offset that was tried.
//
// The way to it is that of github/rust-gems, crate bpe, whose README proves it:
// there is exactly one division in which every two neighbours are compatible,
// that is, come out as these two when they are encoded together. So the longest
// token is taken that is compatible with the one before. If there is none,
// no division goes through this offset, and the token before is made shorter.
func (m *merger) merge(piece string, window int) (tokens int, ok bool) {
	id, n := m.longest(piece)
	if n == len(piece) {
		m.parts = append(m.parts[:0], part{id, uint32(n)})
		return 1, true
	}
	if len(m.dead) < window/64 {
		m.dead = make([]uint64, window/64)
	}
	dead, mask := m.dead[:window/64], window-1
	top := sight / 64 // of the words in dead that are in use
	clear(dead[:top+1])
	m.parts = m.parts[:0]
	m.seen.length = 0
	pos, dropped := 0, 0
	for {
		last, end := len(m.parts)-1, pos+n
		switch {
		case dead[end&mask/64]>>(end%64)&1 == 0 && (last < 0 || m.compatible(m.parts[last].id, id)):
			if len(m.parts) == 2*window {
				m.parts = m.parts[:copy(m.parts, m.parts[window:])]
				dropped += window
			}
			m.parts = append(m.parts, part{id, uint32(n)})
			pos = end
			for ; top < (pos+sight)/64; top++ {
				dead[(top+1)&(mask/64)] = 0
			}
			if pos == len(piece) {
				return dropped + len(m.parts), true
			}
			if len(piece)-pos < sight {
				id, n = m.longest(piece[pos:])
			} else {
				id, n = m.longestAt(piece, pos)
			}
		case n > 1:
			id, n = m.shorter(id)
		case pos/64+window/64 <= top+sight/64:
			return 0, false
		default:
			dead[pos&mask/64] |= 1 << (pos % 64)
			id, n = m.parts[last].id, int(m.parts[last].length)
			m.parts = m.parts[:last]
			pos -= n
		}
	}
}

// sight is how many bytes decide which token is the longest: one more than a
// token has at most, since the tables give its length in a byte.
const sight = 1 << 8

// A seen is the longest token at an offset of the piece; none of length 0.
type seen struct {
	at, length int
	id         uint32
}

// longestAt is longest of piece[pos:], of at least sight bytes. In a run of
// hyphens nearly every offset is tried, and the longest token is very long: what
// goes on as it did where it was last asked has the same answer.
func (m *merger) longestAt(piece string, pos int) (id uint32, length int) {
	if s := &m.seen; s.length == 0 || piece[pos:pos+sight] != piece[s.at:s.at+sight] {
		s.at = pos
		s.id, s.length = m.longest(piece[pos:])
	}
	return m.seen.id, m.seen.length
}

// A judged says of two tokens whether they are compatible: the same two meet
// again and again. Two ids have 36 bits; multiplied by an odd number modulo 2^36
// they are as good as random, and all pairs are still told apart. The upper bits
// of the product are the place; the rest stands in it, above two bits: whether
// they are compatible, and a 1.
type judged uint32

const (
	judgedBits = 17
	pairBits   = 36
)

// compatible tells whether the bytes of two tokens, encoded together, are these
// two tokens.
func (m *merger) compatible(left, right uint32) bool {
	pair := (uint64(left)<<18 | uint64(right)) * 0x9e3779b97f4a7c15 % (1 << pairBits)
	place := &m.judged[pair>>(pairBits-judgedBits)]
	no := judged(pair%(1<<(pairBits-judgedBits))<<2 | 1)
	if *place|2 == no|2 {
		return *place != no
	}
	*place = no
	ok := m.vocabulary.compatible(left, right)
	if ok {
		*place |= 2
	}
	return ok
}

// compatible takes back the merges that made two tokens, the last one first, on
// both sides of their boundary. If at some time the two parts that meet there
// make a token of a lower rank than the merge that came next, they would have been
// merged instead.
func (v *vocabulary) compatible(left, right uint32) bool {
	next := uint32(math.MaxUint32) // the rank of that merge
	for {
		if id, ok := v.merged(left, right); ok && id < next {
			return false
		}
		// Of two merges of the same rank, that on the left came first.
		if left > right {
			next = left
			if _, left = v.split(left); left != next {
				continue
			}
			next = right + 1
			if right, _ = v.split(right); right+1 == next {
				return true
			}
		} else {
			next = right + 1
			if right, _ = v.split(right); right+1 != next {
				continue
			}
			next = left
			if _, left = v.split(left); left == next {
				return true
			}
		}
	}
}
