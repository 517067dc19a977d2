package token

import "math"

// A merger divides pieces into tokens, and keeps the memory for that.
type merger struct {
	*vocabulary
	parts  []part
	dead   []uint64 // a bit for each offset in the piece
	seen   seen
	judged [1 << judgedBits]judged
}

// A part is a token of a piece.
type part struct{ id, length uint32 }

// keptParts is the most parts for which memory is kept for the next piece.
const keptParts = 8 << 10

// merge returns the tokens of a piece, which is not empty, as byte-pair encoding
// divides it: it begins with single bytes, and joins the two neighbours that
// make the token of the lowest rank, the leftmost of these first, until no two
// make a token. The result is good until the next call.
//
// The way to it is that of github/rust-gems, crate bpe, whose README proves it:
// there is exactly one division in which every two neighbours are compatible,
// that is, come out as these two when they are encoded together. So the longest
// token is taken that is compatible with the one before. If there is none,
// no division goes through this offset, and the token before is made shorter.
func (m *merger) merge(piece string) []part {
	id, n := m.longest(piece)
	if n == len(piece) {
		m.parts = append(m.parts[:0], part{id, uint32(n)})
		return m.parts
	}
	if cap(m.parts) > keptParts {
		m.parts, m.dead = nil, nil
	}
	m.parts = m.parts[:0]
	words := len(piece)/64 + 1
	if cap(m.dead) < words {
		m.dead = make([]uint64, words)
	}
	dead := m.dead[:words]
	clear(dead)

	m.seen.length = 0
	pos := 0
	for {
		last, end := len(m.parts)-1, pos+n
		switch {
		case dead[end/64]>>(end%64)&1 == 0 && (last < 0 || m.compatible(m.parts[last].id, id)):
			m.parts = append(m.parts, part{id, uint32(n)})
			pos = end
			if pos == len(piece) {
				return m.parts
			}
			if len(piece)-pos < sight {
				id, n = m.longest(piece[pos:])
			} else {
				id, n = m.longestAt(piece, pos)
			}
		case n > 1:
			id, n = m.shorter(id)
		default:
			dead[pos/64] |= 1 << (pos % 64)
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
