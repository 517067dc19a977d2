package chunk

import (
	"bytes"
	"sort"
	"unicode/utf8"
)

// overlapStart returns where the next chunk begins, if the one before it ends
// at end: as early as s.overlap allows, on the best boundary of the first half
// of that. It is after the beginning of the chunk before, and end itself if
// there is to be no overlap.
func (s *Splitter) overlapStart(end int) int {
	if s.overlap == 0 {
		return end
	}
	first := max(s.overlapReach(end), s.src.afterReplacement(end), 1)
	for step := 1; first < end; step *= 2 {
		start := s.chooseStart(first, end)
		if s.opt.Unit != Tokens || start == end ||
			s.count(start, end) <= s.overlap {
			return start
		}
		first = start + step
	}
	return end
}

// overlapReach returns how far back from end the overlap goes.
func (s *Splitter) overlapReach(end int) int {
	text := s.src.text[:end]
	switch s.opt.Unit {
	case Tokens:
		return s.overlapTokens(end)
	case Chars:
		for n := s.overlap; n > 0 && len(text) > 0; n-- {
			_, size := utf8.DecodeLastRune(text)
			text = text[:len(text)-size]
		}
		return len(text)
	case Lines:
		text = bytes.TrimSuffix(text, []byte("\n"))
		for n := s.overlap; n > 0 && len(text) > 0; n-- {
			text = text[:bytes.LastIndexByte(text, '\n')+1]
			if n > 1 {
				text = bytes.TrimSuffix(text, []byte("\n"))
			}
		}
		return len(text)
	default:
		return max(0, end-s.overlap)
	}
}

// overlapTokens is overlapReach in tokens: between the last rung from which there
// are too many of them and the next.
func (s *Splitter) overlapTokens(end int) int {
	rungs := s.ladder.rungs
	at := func(i int) int { return int(rungs[i].at - s.src.gone) }
	i := sort.Search(len(rungs), func(i int) bool { return at(i) >= end || s.count(at(i), end) <= s.overlap })
	low, high := 0, end
	if i > 0 {
		low = at(i - 1)
	}
	if i < len(rungs) {
		high = min(end, at(i))
	}
	n, _, _ := s.opt.Encoding.Fit(asString(s.src.text[low:high]), max(0, s.count(low, end)-s.overlap), false)
	return low + n
}

// chooseStart returns the boundary from first on, before end, that is best to
// begin a chunk with, or end.
func (s *Splitter) chooseStart(first, end int) int {
	text := s.src.text[:end]
	for first < end && !utf8.RuneStart(text[first]) {
		first++
	}
	if s.opt.By == ByNone {
		return first
	}
	middle := first + (end-first)/2
	line := 0
	for i := first - 1; i < end-1; i++ {
		n := bytes.IndexByte(text[i:end-1], '\n')
		if n < 0 {
			break
		}
		i += n
		if s.opt.By == ByLine {
			return i + 1
		}
		if i >= middle {
			break
		}
		if endsParagraph(text[:i+1]) {
			return i + 1
		}
		if line == 0 {
			line = i + 1
		}
	}
	if line > 0 {
		return line
	}
	if s.opt.By == ByLine && text[end-1] == '\n' {
		return end // not a part of a line
	}

	for r := sentence; r <= word; r++ {
		if at := firstBoundary(text, r, first, middle); at > 0 {
			return at
		}
	}
	for r := word; r <= grapheme; r++ {
		if at := firstBoundary(text, r, first, end); at > 0 {
			return at
		}
	}
	return end
}
