package join

import (
	"bufio"
	"io"
)

const bufferSize = 64 << 10

// texts writes documents as text.
type texts struct {
	out   *bufio.Writer
	given *string
	doc   *doc // that is being written, or was
	other bool // something was no text that gpt-chunk cut
	mark  bool // what was written last is a mark
}

func newTexts(out io.Writer, sep *string) *texts {
	return &texts{out: bufio.NewWriterSize(out, bufferSize), given: sep}
}

func (t *texts) add(d *doc, sep string, p piece, text []byte) error {
	t.other = t.other || !p.cut && !p.mark
	if t.doc != d {
		sep = t.between(p)
		t.doc = d
	}
	t.mark = p.mark
	t.out.WriteString(sep)
	_, err := t.out.Write(text)
	return err
}

// between returns what stands before a document that begins with p.
func (t *texts) between(p piece) string {
	switch {
	case t.doc == nil:
		return ""
	case t.given != nil:
		return *t.given
	case t.other || t.mark || p.mark:
		return blankLine
	}
	return ""
}

func (t *texts) end(*doc, bool) error { return nil }

func (t *texts) finish() error {
	if t.given == nil && (t.other || t.mark) {
		return t.out.WriteByte('\n')
	}
	return nil
}

func (t *texts) flush() error { return t.out.Flush() }
