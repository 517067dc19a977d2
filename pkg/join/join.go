// Package join puts records together again: chunks in any order become
// documents, or fewer and larger records for a further map.
//
//	j := join.New(out, join.Options{Report: tell})
//	for each record {
//		err := j.Add(record)
//	}
//	err := j.Close()
//
// # Order
//
// Documents come in the order of their first record, the records of a document
// in the order of seq. What belongs to the first document that is not complete
// is written at once as far as it is in order; everything else waits in memory.
// Records without doc belong to one anonymous document, called "-". Records
// without seq follow each other as they arrive, and make a document that is
// complete when the input ends; a document with seq is complete with its record
// that says last.
//
// # Values
//
// A record stands for its current value, see gpt-record(5), or for the field
// Options.In. A record with an error and no value, or without the field, is a
// failed one. The part of a text that an earlier one has already is cut off, as
// start and end say. A value that is no string is written as compact JSON.
//
// # Gaps
//
// A record that is missing or failed ends its document: it is written up to
// there. With Options.AllowMissing a mark stands in its place, [missing
// DOC#SEQ]. All of them are told to Options.Report, and a second record with the
// same doc and seq as well.
package join

import (
	"io"

	"gptpipe/pkg/record"
	"gptpipe/pkg/token"
)

// Options say what is joined, and into what.
type Options struct {
	In           string  // field to take; empty for the current value
	Sep          *string // between records and documents; nil for the default
	JSONL        bool    // write a record for each document, not text
	AllowMissing bool

	// Tokens, if not 0, packs the records of a document into records of up to so
	// many tokens of Encoding.
	Tokens   int
	Encoding *token.Encoding

	Report func(Problem) // may be nil
}

// A Joiner joins the records that are added to it.
type Joiner struct {
	opt  Options
	sink sink

	docs   map[string]*doc
	queue  []*doc           // those still to be written, in order of appearance
	failed []*doc           // those written up to a record that failed
	closed map[string]int64 // those written completely, with their last seq

	incomplete bool
}

// A sink writes the pieces of documents, which come in order, one document after
// the other.
type sink interface {
	add(d *doc, p piece) error
	end(d *doc, complete bool) error // called once for each document
	finish() error
	flush() error
}

// New returns a Joiner that writes to out.
func New(out io.Writer, opt Options) *Joiner {
	if opt.Report == nil {
		opt.Report = func(Problem) {}
	}
	j := &Joiner{opt: opt, docs: map[string]*doc{}, closed: map[string]int64{}}
	switch {
	case opt.Tokens > 0:
		j.sink = &packs{out: record.NewWriter(out), opt: &j.opt}
	case opt.JSONL:
		j.sink = &documents{out: record.NewWriter(out), opt: &j.opt}
	default:
		j.sink = newTexts(out, &j.opt)
	}
	return j
}

// Add takes in a record and writes what can be written. An error is one of
// writing.
func (j *Joiner) Add(rec record.Record) error {
	name, seq, err := place(&rec)
	if err != nil {
		j.tell(Problem{Kind: Bad, Line: rec.Line, Detail: err.Error()})
		return nil
	}
	if last, ok := j.closed[name]; ok {
		j.opt.Report(Problem{Kind: Duplicate, Doc: name, Seq: max(seq, 0), Late: seq < 0 || seq > last})
		return nil
	}
	d := j.docs[name]
	if d == nil {
		d = newDoc(name)
		j.docs[name] = d
		j.queue = append(j.queue, d)
	}
	if seq < 0 {
		seq = d.seen.max() + 1
	} else {
		d.numbered = true
	}
	if !d.seen.add(seq) {
		j.opt.Report(Problem{Kind: Duplicate, Doc: name, Seq: seq})
		return nil
	}
	if isTrue(&rec, "last") {
		d.last = max(d.last, seq)
	}
	p, failure := value(&rec, j.opt.In)
	p.seq = seq
	if failure != "" {
		j.tell(Problem{Kind: Failed, Doc: name, Seq: seq, Detail: failure})
		if !j.opt.AllowMissing {
			d.fail(seq)
			return j.advance()
		}
		p = mark(name, seq, seq)
	}
	d.keep(p)
	if len(j.queue) > 0 && j.queue[0] == d {
		return j.advance()
	}
	return nil
}

// Flush sends on what has been written so far.
func (j *Joiner) Flush() error { return j.sink.flush() }

// Incomplete reports whether a document had a gap so far; with AllowMissing, a
// gap that has a mark is none.
func (j *Joiner) Incomplete() bool { return j.incomplete }

// Close writes what is still waiting, says what is missing, and flushes.
func (j *Joiner) Close() error {
	for _, d := range j.failed {
		j.lacking(d)
	}
	for _, d := range j.queue {
		if err := j.finish(d); err != nil {
			return err
		}
	}
	if err := j.sink.finish(); err != nil {
		return err
	}
	return j.sink.flush()
}

// advance writes what is in order, and goes on to the next document when the
// first can go no further.
func (j *Joiner) advance() error {
	for len(j.queue) > 0 {
		d := j.queue[0]
		if err := d.write(j.sink); err != nil {
			return err
		}
		complete := d.last >= 0 && d.next > d.last && len(d.waiting) == 0
		if !complete && d.next != d.failed {
			return nil
		}
		if err := j.sink.end(d, complete); err != nil {
			return err
		}
		if complete {
			delete(j.docs, d.name)
			j.closed[d.name] = d.last
		} else {
			j.failed = append(j.failed, d)
		}
		j.queue[0] = nil
		j.queue = j.queue[1:]
	}
	return nil
}

// lacking tells what is missing of a document of which nothing more will come.
func (j *Joiner) lacking(d *doc) (gaps []run) {
	gaps = d.seen.gaps()
	for _, g := range gaps {
		g.each(func(from, to int64) {
			j.tell(Problem{Kind: Missing, Doc: d.name, Seq: from, To: to})
		})
	}
	if end := d.seen.max(); d.numbered && d.last < end {
		j.tell(Problem{Kind: NoLast, Doc: d.name, Seq: end})
		gaps = append(gaps, run{end + 1, end + 1})
	}
	return gaps
}

// finish ends a document that is still to be written.
func (j *Joiner) finish(d *doc) error {
	gaps := j.lacking(d)
	if j.opt.AllowMissing {
		for _, g := range gaps {
			g.each(func(from, to int64) { d.keep(mark(d.name, from, to)) })
		}
	}
	if err := d.write(j.sink); err != nil {
		return err
	}
	return j.sink.end(d, d.failed < 0 && (len(gaps) == 0 || j.opt.AllowMissing))
}

// tell reports a problem that leaves a document incomplete.
func (j *Joiner) tell(p Problem) {
	j.opt.Report(p)
	if p.Kind == Bad || !j.opt.AllowMissing {
		j.incomplete = true
	}
}
