package join

import (
	"strings"

	"gptpipe/pkg/record"
)

// packs writes records that each hold as many pieces of a document as fit into
// opt.Tokens, counted with what separates them.
type packs struct {
	out    *record.Writer
	opt    *Options
	seq    int64
	pieces []piece
	sum    int // of the pieces, each counted alone: near what they are together
}

func (w *packs) add(d *doc, p piece) error {
	if len(w.pieces) == 0 {
		w.pieces, w.sum = append(w.pieces, p), w.opt.Encoding.Count(p.text)
		return nil
	}
	sep := w.opt.separator(w.pieces[len(w.pieces)-1], p)
	sum := w.sum + w.opt.Encoding.Count(sep+p.text)
	together := append(w.pieces, p)
	if sum > w.opt.Tokens {
		// Counting all of them anew is dear; it is done only where it decides.
		sum = w.opt.Encoding.Count(w.join(together))
	}
	if sum <= w.opt.Tokens {
		w.pieces, w.sum = together, sum
		return nil
	}
	if err := w.write(d, false); err != nil {
		return err
	}
	return w.add(d, p)
}

// write writes a record of the pieces, but for those at the end that do not fit
// after all, since tokens do not add up; they remain.
func (w *packs) write(d *doc, last bool) error {
	n := len(w.pieces)
	text := w.join(w.pieces)
	tokens := w.opt.Encoding.Count(text)
	for tokens > w.opt.Tokens && n > 1 {
		n--
		text = w.join(w.pieces[:n])
		tokens = w.opt.Encoding.Count(text)
	}
	if tokens > w.opt.Tokens {
		w.opt.Report(Problem{Kind: Larger, Doc: d.name, Seq: w.pieces[0].seq, Tokens: tokens})
	}
	rest := append([]piece(nil), w.pieces[n:]...)

	rec := newRecord(d.name, w.seq)
	w.seq++
	rec.Set("tokens", record.AppendInt(nil, int64(tokens)))
	rec.Set("text", record.AppendString(nil, text))
	if last && len(rest) == 0 {
		rec.Set("last", []byte("true"))
	}
	if err := w.out.Write(&rec); err != nil {
		return err
	}
	w.pieces = w.pieces[:0]
	for _, p := range rest {
		if err := w.add(d, p); err != nil {
			return err
		}
	}
	return nil
}

func (w *packs) join(pieces []piece) string {
	var text strings.Builder
	for i, p := range pieces {
		if i > 0 {
			text.WriteString(w.opt.separator(pieces[i-1], p))
		}
		text.WriteString(p.text)
	}
	return text.String()
}

func (w *packs) end(d *doc, complete bool) error {
	for len(w.pieces) > 0 {
		if err := w.write(d, complete); err != nil {
			return err
		}
	}
	w.seq = 0
	return nil
}

func (w *packs) finish() error { return nil }
func (w *packs) flush() error  { return w.out.Flush() }
