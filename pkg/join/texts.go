package join

import (
	"bufio"
	"io"

	"gptpipe/pkg/record"
)

// separator returns what stands between two pieces: nothing if gpt-chunk cut
// them both out of a text, so that the text comes back as it was, else a blank
// line.
func (o *Options) separator(a, b piece) string {
	switch {
	case o.Sep != nil:
		return *o.Sep
	case a.cut && b.cut:
		return ""
	}
	return "\n\n"
}

// texts writes documents as text.
type texts struct {
	out     *bufio.Writer
	opt     *Options
	any     bool
	before  piece
	newline bool // at the end, for a value that was not cut
}

func newTexts(out io.Writer, opt *Options) *texts {
	return &texts{out: bufio.NewWriterSize(out, 64<<10), opt: opt}
}

func (t *texts) add(_ *doc, p piece) error {
	if t.any {
		t.out.WriteString(t.opt.separator(t.before, p))
	}
	t.newline = t.newline || !p.cut && !p.mark
	t.any, t.before = true, piece{cut: p.cut, mark: p.mark}
	_, err := t.out.WriteString(p.text)
	return err
}

func (t *texts) end(*doc, bool) error { return nil }

func (t *texts) finish() error {
	if t.opt.Sep == nil && (t.newline || t.before.mark) {
		return t.out.WriteByte('\n')
	}
	return nil
}

func (t *texts) flush() error { return t.out.Flush() }

// documents writes each document as a record: id, doc, seq 0, text, and last if
// it is complete, so that it can be mapped, chunked and joined again.
type documents struct {
	out    *record.Writer
	opt    *Options
	text   []byte
	any    bool
	before piece
}

func (w *documents) add(_ *doc, p piece) error {
	if w.any {
		w.text = append(w.text, w.opt.separator(w.before, p)...)
	}
	w.text = append(w.text, p.text...)
	w.any, w.before = true, piece{cut: p.cut}
	return nil
}

func (w *documents) end(d *doc, complete bool) error {
	if !w.any {
		return nil
	}
	rec := newRecord(d.name, 0)
	rec.Set("text", record.AppendString(nil, string(w.text)))
	if complete {
		rec.Set("last", []byte("true"))
	}
	w.text, w.any = w.text[:0], false
	return w.out.Write(&rec)
}

func (w *documents) finish() error { return nil }
func (w *documents) flush() error  { return w.out.Flush() }

// newRecord returns a record with its name and place.
func newRecord(name string, seq int64) record.Record {
	var rec record.Record
	id := append([]byte(name), '#')
	id = record.AppendInt(id, seq)
	rec.Set("id", record.AppendString(nil, string(id)))
	rec.Set("doc", record.AppendString(nil, name))
	rec.Set("seq", record.AppendInt(nil, seq))
	return rec
}
