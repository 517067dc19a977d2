package chunk

import (
	"fmt"
	"hash/fnv"
)

// Names makes the names of documents unique in a stream: the second of a name
// becomes NAME~2. It keeps a hash of each, so that a long list of documents
// takes little memory; two names with the same one are no harm.
type Names struct {
	last map[uint64]int // of each name that was given, its last number
}

// Unique returns name, or if it was given before, name with a number. What is
// no UTF-8 in it is replaced, as it is in a record, so that it does not tell two
// names apart.
func (n *Names) Unique(name string) string {
	name = string([]rune(name))
	if n.give(name) {
		return name
	}
	for h := hash(name); ; {
		n.last[h]++
		if unique := fmt.Sprintf("%s~%d", name, n.last[h]); n.give(unique) {
			return unique
		}
	}
}

// give reports whether name is still free, and takes it.
func (n *Names) give(name string) bool {
	if n.last == nil {
		n.last = map[uint64]int{}
	}
	h := hash(name)
	if n.last[h] > 0 {
		return false
	}
	n.last[h] = 1
	return true
}

func hash(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64()
}
