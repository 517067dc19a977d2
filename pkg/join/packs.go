package join

import (
	"bufio"
	"io"
	"sort"
	"unicode"
	"unicode/utf8"

	"gptpipe/pkg/record"
)

// packs writes records that each hold as many pieces of a document as fit into
// opt.Tokens, counted with what separates them.
//
// Each pack is counted as a whole once, before it is written. Until then its
// text is settled up to some boundary where counts add up, so that a further
// piece costs no more than to count that piece.
type packs struct {
	out *bufio.Writer
	opt *Options
	seq int64 // of the pack in its document

	text    []byte
	parts   []part
	settled int // in bytes
	before  int // tokens of text[:settled]
	open    int // tokens of text[settled:]
	guessed bool
	credit  int // by how much a guess may be over the budget
	line    []byte
}

// A part is a piece in the text of a pack: its separator, and itself.
type part struct {
	seq     int64
	sep, at int
}

// farBack is how far back a boundary is looked for.
const farBack = 4 << 10

func newPacks(out io.Writer, opt *Options) *packs {
	return &packs{out: bufio.NewWriterSize(out, bufferSize), opt: opt}
}

func (w *packs) add(d *doc, sep string, p piece, text []byte) error {
	from := len(w.text)
	if len(w.parts) == 0 {
		sep = ""
	}
	w.text = append(append(w.text, sep...), text...)
	if len(w.parts) > 0 && !w.fits(from) {
		text = append([]byte(nil), text...) // it may be a part of this pack's text
		w.text = w.text[:from]
		if err := w.write(d, false); err != nil {
			return err
		}
		return w.add(d, sep, p, text)
	}
	if len(w.parts) == 0 {
		w.open = w.count(0)
	}
	w.parts = append(w.parts, part{p.seq, from, from + len(sep)})
	w.settle()
	return nil
}

// fits reports whether the text is within the budget with what is new in it.
//
// What is not settled is counted anew, if that is little beside what is new.
// Else its count is guessed, as a sum, which is seldom too low, and counted only
// when that decides. By as much as the sum was too high then, it may be over the
// next time, so that this comes a few times for each pack, whatever the text; if
// the pack has too many parts in the end, write puts that right.
func (w *packs) fits(from int) bool {
	guess := 0
	if from-w.settled > 4*(len(w.text)-from)+64 {
		guess = w.open + w.count(from)
		if w.before+guess <= w.opt.Tokens+w.credit {
			w.open, w.guessed = guess, true
			return true
		}
	}
	open := w.count(w.settled)
	if w.before+open > w.opt.Tokens {
		return false
	}
	w.open, w.guessed, w.credit = open, false, max(0, guess-open)
	return true
}

func (w *packs) count(from int) int { return w.opt.Encoding.Count(string(w.text[from:])) }

// settle settles the text up to the last boundary that is near its end.
func (w *packs) settle() {
	if w.guessed {
		return
	}
	for at := len(w.text) - 1; at > max(w.settled, len(w.text)-farBack); at-- {
		if additive(w.text, at) {
			rest := w.count(at)
			w.settled, w.before, w.open = at, w.before+w.open-rest, rest
			return
		}
	}
}

// additive reports whether the tokens of text[:at] and those of text[at:] are
// together those of the text, whatever follows. The regular expressions that
// divide a text for both encodings (openai_public.py of tiktoken) let no piece
// span a space or tab and what is no space before it, nor the last line break of
// white space and what is no space behind it, but for a slash.
func additive(text []byte, at int) bool {
	switch before, next := text[at-1], text[at]; {
	case next == ' ' || next == '\t':
		r, _ := utf8.DecodeLastRune(text[:at])
		return !unicode.IsSpace(r)
	case before == '\n':
		r, _ := utf8.DecodeRune(text[at:])
		return !unicode.IsSpace(r) && r != '/'
	}
	return false
}

// write writes a pack of the parts, but for those at the end that do not fit
// after all; they begin the next one.
func (w *packs) write(d *doc, last bool) error {
	n, text, tokens := len(w.parts), w.text, w.before+w.open
	if n > 1 {
		tokens = w.count(0)
	}
	if tokens > w.opt.Tokens && n > 1 {
		upTo := func(n int) []byte { return w.text[:w.parts[n].sep] }
		n = 1 + sort.Search(n-2, func(i int) bool { return w.opt.Encoding.Count(string(upTo(i+2))) > w.opt.Tokens })
		text = upTo(n)
		tokens = w.opt.Encoding.Count(string(text))
	}
	if tokens > w.opt.Tokens {
		w.opt.Report(Problem{Kind: Larger, Doc: d.name, Seq: w.parts[0].seq, Tokens: tokens})
	}

	w.line = appendPlace(w.line[:0], d.name, w.seq)
	w.line = record.AppendInt(append(w.line, `,"tokens":`...), int64(tokens))
	w.line = append(record.AppendEscaped(append(w.line, `,"text":"`...), text), '"')
	if last && n == len(w.parts) {
		w.line = append(w.line, `,"last":true`...)
	}
	if _, err := w.out.Write(append(w.line, "}\n"...)); err != nil {
		return err
	}
	w.seq++

	rest, all := append([]part(nil), w.parts[n:]...), append([]byte(nil), w.text[len(text):]...)
	w.text, w.parts = w.text[:0], w.parts[:0]
	w.settled, w.before, w.open, w.guessed, w.credit = 0, 0, 0, false, 0
	for i, p := range rest {
		end := len(all)
		if i+1 < len(rest) {
			end = rest[i+1].sep - len(text)
		}
		at := p.at - len(text)
		if err := w.add(d, string(all[p.sep-len(text):at]), piece{seq: p.seq}, all[at:end]); err != nil {
			return err
		}
	}
	return nil
}

func (w *packs) end(d *doc, complete bool) error {
	for len(w.parts) > 0 {
		if err := w.write(d, complete); err != nil {
			return err
		}
	}
	w.seq = 0
	return nil
}

func (w *packs) finish() error { return nil }
func (w *packs) flush() error  { return w.out.Flush() }
