package chunk

import (
	"fmt"
	"hash/fnv"
)

// Names makes the names of documents unique in a stream: the second of a name
// becomes NAME~2. It keeps a hash of each, so that a long list of documents
// takes little memory; two names with the same one are no harm.
type Names struct {
	seen map[uint64]int // how often a name was asked for
}

// Unique returns name, or if it was taken, name with a number.
func (n *Names) Unique(name string) string {
	if n.seen == nil {
		n.seen = map[uint64]int{}
	}
	count := n.take(name)
	if count == 1 {
		return name
	}
	for ; ; count++ {
		if unique := fmt.Sprintf("%s~%d", name, count); n.take(unique) == 1 {
			return unique
		}
	}
}

func (n *Names) take(name string) int {
	hash := fnv.New64a()
	hash.Write([]byte(name))
	n.seen[hash.Sum64()]++
	return n.seen[hash.Sum64()]
}
