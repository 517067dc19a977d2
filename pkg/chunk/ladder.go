package chunk

import (
	"bytes"
	"io"
	"sort"
	"unsafe"
)

// A rung is a seam, and how many tokens there are from the first rung to it.
type rung struct {
	at     int64 // in what the source gave from its very beginning
	tokens int
}

// A ladder holds the counts of the text in memory at seams, so that each byte
// is counted about once: what lies between rungs is counted by their difference,
// and only the text from a cut to the nearest rung again. The first rung is
// where the chunk begins, which need not be a seam.
type ladder struct {
	rungs []rung
	run   stretch // behind the last rung
}

// A stretch is text without a seam, of which only a proposal is known how far
// the budget goes.
type stretch struct {
	size, tokens int  // what has been measured
	full         bool // the budget is spent there
	seamless     int  // there is no seam before this
}

const (
	// part is the most text that is counted in one walk, in bytes.
	part = 16 << 10
	// perToken is about how many bytes a token has, rather too many.
	perToken = 6
	// rungStep is the least text between two rungs in most places, in bytes.
	rungStep = 64
	// nearly is the number of tokens left from which on every seam becomes a rung.
	nearly = 32
	// seamless is how long a text has no seam before it is taken for a run.
	seamless = 512
)

// climb adds rungs until the budget is spent. It reports whether that is within
// the text, and if so sets s.reach.end.
func (s *Splitter) climb() bool {
	l := &s.ladder
	if len(l.rungs) == 0 {
		l.rungs = append(l.rungs, rung{at: s.src.gone})
	}
	spent := false // before the next seam
	for {
		for len(l.rungs) > 1 && l.tokens() > s.opt.Size {
			l.rungs, l.run = l.rungs[:len(l.rungs)-1], stretch{}
		}
		from, rest := int(l.top().at-s.src.gone), s.opt.Size-l.tokens()
		switch {
		case from == len(s.src.text):
			return false
		case rest <= 0:
			s.reach.end = from
			return true
		case l.run.seamless > 0:
			next, v := s.climbRun(from, rest)
			switch {
			case v == wait:
				return false
			case v == no || !s.climbTo(from, next, rest):
				s.reach.end = next
				return true
			}
			continue
		case !spent:
			climbed := false
			if climbed, spent = s.walk(from, rest, rungStep); !climbed && !spent {
				climbed, spent = s.walk(from, rest, 1)
			}
			if climbed || spent {
				continue
			}
		}
		next, v := nextSeam(s.src.text, from+1, from+1+seamless, s.src.err == io.EOF)
		switch {
		case v == wait:
			return false
		case v == no:
			l.run.seamless = next - from
		case spent || !s.climbTo(from, next, rest):
			n, _, _ := s.opt.Encoding.Fit(asString(s.src.text[from:next]), rest, false)
			s.reach.end = from + n
			s.reachLine(next)
			return true
		}
	}
}

func (l *ladder) top() rung   { return l.rungs[len(l.rungs)-1] }
func (l *ladder) tokens() int { return l.top().tokens - l.rungs[0].tokens }

// walk adds rungs at seams behind from that are at least step bytes apart, or
// closer where the budget is nearly spent, and reports whether there are any, and
// whether the budget is known to be spent before the next seam. It stops there,
// where no seam comes for long, and behind a part of the text, so that a piece
// that never ends is not counted again and again.
func (s *Splitter) walk(from, rest, step int) (climbed, spent bool) {
	l := &s.ladder
	base := l.top()
	text := s.src.text[:floor(s.src.text, from+min(part, perToken*rest+seamless))]
	last := s.src.err == io.EOF && len(text) == len(s.src.text)
	top, skipped := from, false
	s.opt.Encoding.Walk(text[from:], func(size, tokens int) (next int) {
		at := from + size
		switch {
		case tokens > rest:
			// The last pieces may be others when more of the text is seen.
			spent = !skipped && at+lookahead < len(text)
			return -1
		case at-top > seamless:
			return -1
		case at-top < step && rest-tokens > nearly:
			skipped = true
			return top - from + step
		case at == len(text) && last, at < len(text) && seam(text, at, last) == yes:
			top, skipped = at, false
			l.rungs = append(l.rungs, rung{base.at + int64(size), base.tokens + tokens})
		}
		return size + 1
	})
	return top > from, spent
}

// reachLine extends the reach to the end of the line, where that is near, before end
// and within the budget: the newlines behind a mark are one token with it, and if
// all of them do not fit, then fewer of them may be counted as more tokens.
func (s *Splitter) reachLine(end int) {
	text := s.src.text[s.reach.end:min(end, s.reach.end+lookahead)]
	line := s.reach.end + bytes.IndexByte(text, '\n') + 1
	if line == s.reach.end {
		return
	}
	if _, ok := s.within(line); ok {
		s.reach.end = line
	}
}

// climbTo adds a rung at next, if that is within the budget.
func (s *Splitter) climbTo(from, next, rest int) bool {
	l := &s.ladder
	n := s.opt.Encoding.Count(asString(s.src.text[from:next]))
	if n <= rest {
		l.rungs = append(l.rungs, rung{s.src.gone + int64(next), l.top().tokens + n})
		l.run = stretch{}
	}
	return n <= rest
}

// climbRun measures a run. The verdict is yes if a seam comes next, no if
// the budget is spent at next, where there is none.
func (s *Splitter) climbRun(from, rest int) (next int, v verdict) {
	r := &s.ladder.run
	text, last := s.src.text[from:], s.src.err == io.EOF
	// A token is 3 to 5 bytes long in most texts.
	for window := 8*min(rest, readSize) + 64; ; {
		if next, v := nextSeam(text, r.seamless, r.size+1, last); v != no {
			return from + next, v
		}
		r.seamless = max(r.seamless, r.size+1)
		if r.full {
			return from + r.size, no
		}
		end := floor(text, r.size+window)
		n, tokens, full := s.opt.Encoding.Fit(asString(text[r.size:end]), rest-r.tokens, end < len(text) || !last)
		r.size, r.tokens, r.full = r.size+n, r.tokens+tokens, full
		switch {
		case n > 0 || full:
		case end == len(text):
			return 0, wait
		default:
			window *= 2
		}
	}
}

// inRun tells whether cut is in a run, as far as climbRun has seen it.
func (s *Splitter) inRun(cut int) bool {
	l := &s.ladder
	return l.run.seamless > 0 && s.src.gone+int64(cut) > l.top().at
}

// restart makes the ladder begin at start.
func (s *Splitter) restart(start int) {
	l := &s.ladder
	base := rung{at: s.src.gone + int64(start)}
	i := sort.Search(len(l.rungs), func(i int) bool { return l.rungs[i].at > base.at })
	if i < len(l.rungs) {
		base.tokens = l.rungs[i].tokens - s.opt.Encoding.Count(asString(s.src.text[start:l.rungs[i].at-s.src.gone]))
	}
	l.rungs = append(append(l.rungs[:0], base), l.rungs[i:]...)
	l.run = stretch{}
}

// count returns the tokens of text[from:to] counted alone.
func (s *Splitter) count(from, to int) int {
	e, text, rungs := s.opt.Encoding, s.src.text, s.ladder.rungs
	if e == nil {
		return 0
	}
	first := sort.Search(len(rungs), func(i int) bool { return rungs[i].at >= s.src.gone+int64(from) })
	after := sort.Search(len(rungs), func(i int) bool { return rungs[i].at > s.src.gone+int64(to) })
	if first >= after {
		return e.Count(asString(text[from:to]))
	}
	low, high := rungs[first], rungs[after-1]
	return e.Count(asString(text[from:low.at-s.src.gone])) + high.tokens - low.tokens + e.Count(asString(text[high.at-s.src.gone:to]))
}

// asString is text without a copy, to be counted: what is left of a copy of each part
// would be a load for the collector.
func asString(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }
