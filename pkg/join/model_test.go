package join

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gptpipe/pkg/record"
)

// A given is a record as the model sees it.
type given struct {
	doc        string
	seq        int64
	start, end int
	cut        bool
	failed     bool
	last       bool
	value      string
}

func (g given) line() string {
	more := ""
	if g.last {
		more = last
	}
	switch value := string(record.AppendString(nil, g.value)); {
	case g.failed:
		return failure(g.doc, int(g.seq), more)
	case g.cut:
		return fmt.Sprintf(`{"doc":%q,"seq":%d,"start":%d,"end":%d,"text":%s%s}`, g.doc, g.seq, g.start, g.end, value, more)
	default:
		return answer(g.doc, int(g.seq), value, more)
	}
}

// stream makes up records of some documents: texts with overlap, answers,
// failures, gaps, duplicates, too many lasts, in any order.
func stream(rng *rand.Rand) []given {
	const base = "It is 今天 a text\n\nthat \"goes\" on\\and on 🇩🇪 until it ends, é.\t"
	chars := strings.SplitAfter(strings.Repeat(base, 4), "")
	faults := rng.IntN(3) // in 20
	var all []given
	for d := range 1 + rng.IntN(4) {
		answers := rng.IntN(3) == 0
		from := 0
		n := 1 + rng.IntN(12)
		for seq := range n {
			to := from + 1 + rng.IntN(len(chars)-from-n+seq)
			if seq == n-1 {
				to = len(chars)
			}
			back := min(from, rng.IntN(4))
			value := strings.Join(chars[from-back:to], "")
			start := len(strings.Join(chars[:from-back], ""))
			g := given{doc: string(rune('a' + d)), seq: int64(seq), start: start, end: start + len(value), cut: !answers, last: seq == n-1, value: value}
			from = to
			odd := func() bool { return rng.IntN(20) < faults }
			if g.failed = odd(); odd() {
				g.cut = !g.cut
			}
			if odd() {
				g.last = !g.last
			}
			if !odd() {
				all = append(all, g)
			}
			if odd() {
				if odd() {
					g.value += "!"
				}
				all = append(all, g)
			}
		}
	}
	if rng.IntN(4) > 0 {
		rng.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
	}
	return all
}

// model joins as the package comment says, with all records at hand.
func model(all []given, opt Options) (out string, incomplete bool) {
	var names []string
	kept := map[string]map[int64]given{}
	for _, g := range all {
		if kept[g.doc] == nil {
			names = append(names, g.doc)
			kept[g.doc] = map[int64]given{}
		}
		if first, ok := kept[g.doc][g.seq]; ok {
			incomplete = incomplete || first.failed != g.failed || !g.failed && first.value != g.value
			continue
		}
		kept[g.doc][g.seq] = g
	}
	anyOther, lastMark := false, false
	for _, name := range names {
		final, greatest := int64(-1), int64(-1)
		for seq, g := range kept[name] {
			greatest = max(greatest, seq)
			if g.last && (final < 0 || seq < final) {
				final = seq
			}
		}
		incomplete = incomplete || final >= 0 && greatest > final
		end := final
		if final < 0 {
			end = greatest + 1 // which is missing
		}
		other, written, before := false, 0, false
		for seq := int64(0); seq <= end; seq++ {
			g, ok := kept[name][seq]
			mark := !ok || g.failed
			if mark && !opt.AllowMissing {
				incomplete = true
				break
			}
			text := g.value
			if mark {
				text = fmt.Sprintf("[missing %s#%d]", name, seq)
			} else if g.cut {
				text = text[max(0, written-g.start):]
				written = g.end
			}
			isOther := !mark && !g.cut
			sep := ""
			switch {
			case seq == 0 && out == "":
			case opt.Sep != nil:
				sep = *opt.Sep
			case seq == 0 && (anyOther || isOther || lastMark || mark):
				sep = "\n\n"
			case seq > 0 && (other || isOther || before || mark):
				sep = "\n\n"
			}
			out += sep + text
			other, anyOther = other || isOther, anyOther || isOther
			before, lastMark = mark, mark
		}
	}
	if opt.Sep == nil && (anyOther || lastMark) {
		out += "\n"
	}
	return out, incomplete
}

func checkModel(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	all := stream(rng)
	opt := Options{AllowMissing: rng.IntN(2) == 0, TempDir: t.TempDir()}
	if rng.IntN(2) == 0 {
		opt.Sep = str([]string{"", "--", "\n"}[rng.IntN(3)])
	}
	var lines []string
	for _, g := range all {
		lines = append(lines, g.line())
	}
	want, wantIncomplete := model(all, opt)
	out, problems, incomplete := join(t, opt, lines...)
	if out != want || incomplete != wantIncomplete {
		t.Fatalf("seed %d, %+v\n%s\njoined %q, incomplete %v\nwant   %q, incomplete %v\ntold %q", seed, opt, strings.Join(lines, "\n"), out, incomplete, want, wantIncomplete, problems)
	}
	for _, memory := range []int64{1, 500, 2000} {
		for mode := range 3 {
			opt := opt
			opt.JSONL = mode == 1
			if mode == 2 {
				opt.Tokens, opt.Encoding = 30, o200k(t)
			}
			want, wantProblems, _ := join(t, opt, lines...)
			opt.Memory = memory
			out, problems, incomplete := join(t, opt, lines...)
			if out != want || incomplete != wantIncomplete || !slices.Equal(problems, wantProblems) {
				t.Fatalf("seed %d, with %d bytes of memory, mode %d: %q, told %q; want %q, told %q", seed, memory, mode, out, problems, want, wantProblems)
			}
		}
	}
}

func TestModel(t *testing.T) {
	for seed := range uint64(300) {
		checkModel(t, seed)
	}
}

func FuzzModel(f *testing.F) {
	f.Add(uint64(1000))
	f.Fuzz(checkModel)
}
