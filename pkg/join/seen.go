package join

import (
	"iter"
	"maps"
	"slices"
)

// seen is the set of the seqs of a document that have arrived, each with a
// digest of its value. All below floor have; what is in order takes part in no
// search. The digests of a page wholly below floor are kept as long as there is
// room for them, those of others always, for they say what has arrived.
type seen struct {
	floor int64
	max   int64 // the greatest, or -1
	pages map[int64]*page
	at    int64 // the page used last
	page  *page
}

// A page holds the digests of so many seqs; 0 is one that has not arrived.
type page [pageSize]uint64

const pageSize = 16

func newSeen() seen { return seen{max: -1, at: -1} }

// add adds n. If it was there, it returns its digest, or 0 if that is not known
// any more, and not ok. What it keeps for good is taken off room.
func (s *seen) add(n int64, digest uint64, room *int) (first uint64, ok bool) {
	p := s.find(n / pageSize)
	if p == nil {
		if n < s.floor {
			return 0, false
		}
		p = new(page)
		if s.pages == nil {
			s.pages = map[int64]*page{}
		}
		s.pages[n/pageSize], s.page = p, p
	}
	if first = p[n%pageSize]; first != 0 {
		return first, false
	}
	p[n%pageSize] = digest
	s.max = max(s.max, n)
	for n == s.floor && p != nil && p[n%pageSize] != 0 {
		s.floor++
		if n++; n%pageSize == 0 {
			s.passed(n/pageSize-1, room)
			p = s.find(n / pageSize)
		}
	}
	return 0, true
}

func (s *seen) find(at int64) *page {
	if at != s.at {
		s.at, s.page = at, s.pages[at]
	}
	return s.page
}

// passed keeps a page that the floor has passed, or forgets it.
func (s *seen) passed(at int64, room *int) {
	if *room >= pageSize {
		*room -= pageSize
		return
	}
	delete(s.pages, at)
}

// runs gives the set in order, as runs of neighbours, from and to included.
func (s *seen) runs() iter.Seq2[int64, int64] {
	return func(yield func(from, to int64) bool) {
		from, to := int64(0), s.floor-1
		for _, at := range slices.Sorted(maps.Keys(s.pages)) {
			for i, digest := range s.pages[at] {
				n := at*pageSize + int64(i)
				switch {
				case digest == 0 || n < s.floor:
				case n == to+1:
					to = n
				default:
					if to >= from && !yield(from, to) {
						return
					}
					from, to = n, n
				}
			}
		}
		if to >= from {
			yield(from, to)
		}
	}
}

// flat returns the digests of a set without gaps, as far as there are any, in
// the least memory. What it keeps besides whole pages is taken off room.
func (s *seen) flat(room *int) []uint64 {
	n := s.floor
	if rest := int(n % pageSize); rest <= *room {
		*room -= rest
	} else {
		n -= int64(rest)
	}
	var all []uint64
	for at := int64(0); at*pageSize < n; at++ {
		p := s.pages[at]
		if p == nil {
			break
		}
		all = append(all, p[:min(pageSize, n-at*pageSize)]...)
	}
	return slices.Clip(all)
}

// A run is a range of seqs, both included.
type run struct{ from, to int64 }

// each calls f for each number of the run, or once for all if they are many.
func (r run) each(f func(from, to int64)) {
	if r.to-r.from >= 1000 {
		f(r.from, r.to)
		return
	}
	for n := r.from; n <= r.to; n++ {
		f(n, n)
	}
}
