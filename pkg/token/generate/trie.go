package main

import (
	"cmp"
	"maps"
	"slices"
)

// A node of the trie. The id is that of the token which ends here, or -1; first
// is the least id below, that is the most common token.
type node struct {
	children map[byte]*node
	id       int
	first    int
}

// trie lays the tokens out as a double-array trie: the cell of the child for
// byte b of a node is cells[base+b], base being the node's own number, which no
// other node has. See package token, table.go, for the bits of a cell.
func trie(tokens []string) []uint32 {
	root := &node{children: map[byte]*node{}, id: -1}
	for id, token := range tokens {
		n := root
		for i := range len(token) {
			child := n.children[token[i]]
			if child == nil {
				child = &node{children: map[byte]*node{}, id: -1, first: id}
				n.children[token[i]] = child
			}
			n = child
		}
		n.id = id
	}

	// What is common is placed first, and so shares cache lines.
	type placed struct {
		*node
		cell int
	}
	const (
		none  = 0x1ff   // the check of an empty cell
		value = 0x100   // the label of the cell with the id of a token that goes on
		room  = 2 << 20 // cells, the most that a cell can refer to
	)
	cells := make([]uint32, room)
	for i := range cells {
		cells[i] = none
	}
	usedBase := make([]bool, room)
	start := make([]int, value+1) // the least base not known to be taken, by first label
	size := 0
	place := func(labels []int) int {
		first := labels[0]
		for usedBase[start[first]] || cells[start[first]+first] != none {
			start[first]++
		}
		for base := start[first]; ; base++ {
			if !usedBase[base] && !slices.ContainsFunc(labels, func(l int) bool { return cells[base+l] != none }) {
				usedBase[base] = true
				size = max(size, base+value+1)
				return base
			}
		}
	}

	level := []placed{{root, -1}}
	for len(level) > 0 {
		slices.SortStableFunc(level, func(a, b placed) int { return cmp.Compare(a.first, b.first) })
		var next []placed
		for _, n := range level {
			if len(n.children) == 0 {
				cells[n.cell] |= 1<<9 | uint32(n.id)<<11
				continue
			}
			var labels []int
			for _, b := range slices.Sorted(maps.Keys(n.children)) {
				labels = append(labels, int(b))
			}
			if n.id >= 0 {
				labels = append(labels, value)
			}
			base := place(labels)
			if n.cell >= 0 {
				cells[n.cell] |= uint32(base) << 11
			}
			if n.id >= 0 {
				cells[n.cell] |= 1 << 10
				cells[base+value] = value | uint32(n.id)<<11
			}
			for _, b := range slices.Sorted(maps.Keys(n.children)) {
				cells[base+int(b)] = uint32(b)
				next = append(next, placed{n.children[b], base + int(b)})
			}
		}
		level = next
	}
	return cells[:size]
}

// prefixes returns for each token the longest other that it begins with: its
// id, and in the lower eight bits its length in bytes; 0 for a single byte.
func prefixes(tokens []string) []uint32 {
	ids := make(map[string]int, len(tokens))
	for id, token := range tokens {
		ids[token] = id
	}
	cells := make([]uint32, len(tokens))
	for id, token := range tokens {
		for n := len(token) - 1; n > 0; n-- {
			if shorter, ok := ids[token[:n]]; ok {
				cells[id] = uint32(shorter)<<8 | uint32(n)
				break
			}
		}
	}
	return cells
}
