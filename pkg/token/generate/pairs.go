package main

import "fmt"

// split returns for each token the ids of the two that it is merged from last,
// in the order of the ids; for a single byte, its own id twice. It fails if the
// merge of the bytes of a token does not end in that token: package token relies
// on that.
func split(tokens []string) ([]uint32, error) {
	ids := make(map[string]int, len(tokens))
	for id, token := range tokens {
		ids[token] = id
	}
	splits := make([]uint32, 0, 2*len(tokens))
	for id, token := range tokens {
		if len(token) == 1 {
			splits = append(splits, uint32(id), uint32(id))
			continue
		}
		left, right, ok := lastMerge(token, ids)
		if !ok {
			return nil, fmt.Errorf("token %d (%q) is not what its bytes are merged to", id, token)
		}
		splits = append(splits, uint32(ids[left]), uint32(ids[right]))
	}
	return splits, nil
}

// lastMerge merges the bytes of a token until two parts are left, the plain way.
func lastMerge(token string, ids map[string]int) (left, right string, ok bool) {
	var parts []string
	for i := range len(token) {
		parts = append(parts, token[i:i+1])
	}
	for len(parts) > 2 {
		best, at := len(ids), -1
		for i := range len(parts) - 1 {
			if id, ok := ids[parts[i]+parts[i+1]]; ok && id < best {
				best, at = id, i
			}
		}
		if at < 0 || best >= ids[token] {
			return "", "", false
		}
		parts[at] += parts[at+1]
		parts = append(parts[:at+1], parts[at+2:]...)
	}
	return parts[0], parts[1], true
}

// pairs lays out a hash table from two ids to the id of the token they merge
// to, and before it a Bloom filter of two bits in one word, since most look-ups
// are in vain; see package token, table.go.
func pairs(splits []uint32) []uint32 {
	size := 1
	for size*10 < len(splits)/2*13 {
		size *= 2
	}
	filter := make([]uint32, size/4)
	cells := make([]uint32, size)
	for id := range uint32(len(splits) / 2) {
		left, right := splits[2*id], splits[2*id+1]
		if left == id {
			continue
		}
		h := (uint64(left)<<18 | uint64(right)) * 0x9e3779b97f4a7c15
		filter[h>>32%uint64(len(filter))] |= 1<<(h>>59) | 1<<(h>>54&31)
		slot := h >> 32 % uint64(size)
		for cells[slot] != 0 {
			slot = (slot + 1) % uint64(size)
		}
		cells[slot] = uint32(h>>50)<<18 | id
	}
	return append(filter, cells...)
}
