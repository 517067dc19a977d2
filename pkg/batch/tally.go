package batch

import (
	"errors"
	"io"
	"os"
)

// A tally is how many requests of a part have a result, the best of them if
// there are several.
type tally struct {
	answers int // with the status of a success
	refused int // with another
	errors  int // without any: expired, or not run

	elsewhere int // answered by another part
}

// responses is how many have one, be it a refusal.
func (t *tally) responses() int { return t.answers + t.refused + t.elsewhere }

func (t *tally) all() int { return t.responses() + t.errors }

// The worth of a result, which tally notes in the place of its request.
const (
	anError = 1 + iota
	aRefusal
	anAnswer
)

// tally counts the requests of a part that have a result.
func (r *run) tally(p *part) (tally, error) {
	r.tallies++
	var n [anAnswer + 1]int
	err := r.eachResult(p, func(_ int64, _ []byte, out Output, s sum) error {
		at, err := r.index.get(s)
		if err != nil || at.part != p.N || at.kind != pending {
			return err
		}
		worth := anError
		switch {
		case out.Status/100 == 2:
			worth = anAnswer
		case out.Status != 0:
			worth = aRefusal
		}
		if at.offset == r.tallies {
			if worth <= at.length {
				return nil
			}
			n[at.length]--
		}
		n[worth]++
		at.offset, at.length = r.tallies, worth
		return r.index.put(s, at)
	})
	t := tally{answers: n[anAnswer], refused: n[aRefusal], errors: n[anError]}
	if err != nil {
		return t, err
	}
	err = r.eachRequest(p, func(_ int, s sum, _ []byte) error {
		at, err := r.index.get(s)
		if err == nil && at.part != p.N {
			t.elsewhere++
		}
		return err
	})
	return t, err
}

// eachResult calls do with each line of the results of a part that has the name
// of a request, be it one of the part or not.
func (r *run) eachResult(p *part, do func(offset int64, line []byte, out Output, s sum) error) error {
	f, err := os.Open(r.resultsOf(p))
	if err != nil {
		return err
	}
	defer f.Close()
	in := newLines(f)
	for {
		line, offset, err := in.read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		out, err := ParseOutput(line)
		if err != nil {
			continue
		}
		if s, ours := parseSum(out.CustomID); ours {
			if err := do(offset, line, out, s); err != nil {
				return err
			}
		}
	}
}
