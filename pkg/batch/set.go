package batch

import (
	"crypto/sha256"
	"encoding/binary"
	"os"
	"sync"
)

// setSlots is how many slots of a Set are in memory, of eight bytes each. Half of
// them are filled.
const setSlots = 1 << 21

// A Set tells the first of equal requests from the others. It is safe for
// concurrent use. Those that there is no room for in memory are in a file without a
// name, in the system's folder for temporary files.
type Set struct {
	mu    sync.Mutex
	slots []uint64 // eight bytes of a sum, which tell millions apart, or 0
	free  int
	rest  *index
}

// NewSet makes an empty set.
func NewSet() *Set { return newSet(setSlots) }

func newSet(slots int) *Set { return &Set{slots: make([]uint64, slots), free: slots / 2} }

// Add puts the request with a body into the set, and reports whether it was not
// there before.
func (s *Set) Add(body []byte) (fresh bool, err error) {
	h := sha256.Sum256(body)
	name, head := sum(h[:16]), binary.LittleEndian.Uint64(h[16:])|1 // the index goes by others
	s.mu.Lock()
	defer s.mu.Unlock()
	i := head >> 1 % uint64(len(s.slots))
	for s.slots[i] != 0 && s.slots[i] != head {
		i = (i + 1) % uint64(len(s.slots))
	}
	switch {
	case s.slots[i] == head:
		return false, nil
	case s.free > 0:
		s.slots[i] = head
		s.free--
		return true, nil
	case s.rest == nil:
		if s.rest, err = newIndex(os.TempDir()); err != nil {
			s.rest = nil
			return false, err
		}
	}
	at, err := s.rest.get(name)
	if err != nil || at.kind != unknown {
		return false, err
	}
	return true, s.rest.put(name, place{kind: pending})
}

// Close gives the set up.
func (s *Set) Close() error {
	if s.rest == nil {
		return nil
	}
	return s.rest.close()
}
