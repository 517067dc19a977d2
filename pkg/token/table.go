package token

import (
	_ "embed"
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// A table is numbers of 32 bits.
type table []uint32

// read returns the table that file has in little-endian order. It lies where
// the file does, in the program, so that nothing has to be built or copied; only
// a machine of the other order needs a copy.
func read(file string) table {
	t := unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.StringData(file))), len(file)/4)
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return t
	}
	swapped := make(table, len(t))
	for i, n := range t {
		swapped[i] = bits.ReverseBytes32(n)
	}
	return swapped
}

// A vocabulary is the tokens of an encoding. A token's id is also its rank: of
// the pairs that can be merged, the one that makes the least id is merged first.
type vocabulary struct {
	trie     table
	prefixes table
	splits   table
	pairs    table
}

var (
	//go:embed tables/o200k_base.trie
	trieO200k string
	//go:embed tables/o200k_base.prefixes
	prefixesO200k string
	//go:embed tables/o200k_base.splits
	splitsO200k string
	//go:embed tables/o200k_base.pairs
	pairsO200k string

	//go:embed tables/cl100k_base.trie
	trieCL100k string
	//go:embed tables/cl100k_base.prefixes
	prefixesCL100k string
	//go:embed tables/cl100k_base.splits
	splitsCL100k string
	//go:embed tables/cl100k_base.pairs
	pairsCL100k string
)

// The bits of a cell of the trie. The child of a node for byte b is the cell
// at the node's base + b, if the check of that cell is b.
const (
	checkBits = 0x1ff   // the byte that leads to the node; none of a byte if there is no node
	leafBit   = 1 << 9  // no token goes on from here: the value is the id of the token
	tokenBit  = 1 << 10 // a token ends here, with its id in the cell at the node's base + idLabel
	valueAt   = 11      // the rest is a value, which is the base if the node is no leaf
	idLabel   = 0x100
)

// longest returns the id and the length in bytes of the longest token that text
// begins with, which is not empty: every byte is a token.
func (v *vocabulary) longest(text string) (id uint32, length int) {
	base, last := uint32(0), uint32(0)
	for i := range len(text) {
		b := text[i]
		cell := v.trie[base+uint32(b)]
		if cell&checkBits != uint32(b) {
			break
		}
		base = cell >> valueAt
		if cell&leafBit != 0 {
			return base, i + 1
		}
		if cell&tokenBit != 0 {
			last, length = base, i+1
		}
	}
	return v.trie[last+idLabel] >> valueAt, length
}

// shorter returns the longest token but itself that a token begins with, with
// its length. The length is 0 if the token is a byte.
func (v *vocabulary) shorter(id uint32) (prefix uint32, length int) {
	cell := v.prefixes[id]
	return cell >> 8, int(cell & 0xff)
}

// split returns the tokens that a token is merged from last: the token itself
// twice if it is a byte.
func (v *vocabulary) split(id uint32) (left, right uint32) {
	return v.splits[2*id], v.splits[2*id+1]
}

// merged returns the token that is merged from two. The table is open-addressed;
// a cell has the id and 14 more bits of the hash, and is 0 where it is free. The
// first fifth of it is a Bloom filter.
func (v *vocabulary) merged(left, right uint32) (id uint32, ok bool) {
	h := (uint64(left)<<18 | uint64(right)) * 0x9e3779b97f4a7c15
	filter := uint32(len(v.pairs) / 5)
	bits := uint32(1)<<(h>>59) | 1<<(h>>54&31)
	if v.pairs[uint32(h>>32)&(filter-1)]&bits != bits {
		return 0, false
	}
	check := uint32(h >> 50)
	mask := 4*filter - 1
	for slot := uint32(h>>32) & mask; ; slot = (slot + 1) & mask {
		cell := v.pairs[filter+slot]
		if cell == 0 {
			return 0, false
		}
		if cell>>18 == check {
			id := cell & (1<<18 - 1)
			if l, r := v.split(id); l == left && r == right {
				return id, true
			}
		}
	}
}
