package join

import (
	"slices"
	"sort"
)

// runs is a set of numbers, kept as runs of neighbours in order.
type runs []run

type run struct{ from, to int64 }

// add adds n, and returns false if it was there.
func (r *runs) add(n int64) bool {
	// i is the first run that n is not behind.
	i := len(*r)
	if i > 0 && n <= (*r)[i-1].to {
		i = sort.Search(len(*r), func(i int) bool { return n <= (*r)[i].to })
	}
	if i < len(*r) && (*r)[i].from <= n {
		return false
	}
	joinsLeft := i > 0 && (*r)[i-1].to == n-1
	joinsRight := i < len(*r) && (*r)[i].from == n+1
	switch {
	case joinsLeft && joinsRight:
		(*r)[i-1].to = (*r)[i].to
		*r = slices.Delete(*r, i, i+1)
	case joinsLeft:
		(*r)[i-1].to = n
	case joinsRight:
		(*r)[i].from = n
	default:
		*r = slices.Insert(*r, i, run{n, n})
	}
	return true
}

// max returns the greatest number, or -1.
func (r runs) max() int64 {
	if len(r) == 0 {
		return -1
	}
	return r[len(r)-1].to
}

// gaps returns what is not in the set between 0 and its greatest number.
func (r runs) gaps() []run {
	var gaps []run
	next := int64(0)
	for _, in := range r {
		if in.from > next {
			gaps = append(gaps, run{next, in.from - 1})
		}
		next = in.to + 1
	}
	return gaps
}

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
