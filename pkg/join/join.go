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
// is written at once as far as it is in order; everything else waits. Records
// without doc belong to one document, called "-", and to no other of that name.
// Records without seq follow each other as they arrive, and make a document that
// is complete when the input ends; a document with seq is complete with its
// record that says last. If several do, the lowest counts, and what is behind it
// is left out.
//
// # Memory
//
// What waits is kept in memory up to Options.Memory, over all documents
// together, and beyond that in a temporary file without a name. If that cannot
// be written, Add fails with a SpillError: to go on in memory might end the
// process without a word. What was written until then has been flushed; it is
// the beginning of the right output, and a record that was begun is ended.
//
// Besides, memory takes about ten bytes for each record that is out of order,
// eight for each of the first million of the others, to compare duplicates with,
// a kilobyte for each document that has begun and is not complete, and 70 bytes
// for each one that is.
//
// # Values
//
// A record stands for its current value, see gpt-record(5), or for the field
// Options.In. A record with an error and no value, or without the field, is a
// failed one. A value that is no string is written as compact JSON.
//
// A text that gpt-chunk cut is known by its doc, seq, start and end. Where it
// begins before the end of the one before it, the overlap is cut off, by the
// offsets; if these cannot be true of the text, nothing is, and it is told.
//
// # Separators
//
// Options.Sep stands between any two records and between any two documents.
// Without it, the records of a document follow each other with nothing between
// them as long as they are texts that gpt-chunk cut; from the first that is not
// on, a blank line stands between them. Between two documents stands nothing as
// long as all records so far are such texts, else a blank line; and a newline
// ends the output unless all were. What is written is never taken back, so a
// document that begins with such texts and goes on with other values has both.
//
// # Gaps and duplicates
//
// A record that is missing or failed ends its document: it is written up to
// there. With Options.AllowMissing a mark stands in its place, [missing
// DOC#SEQ], between blank lines.
//
// Of two records with the same doc and seq the first is kept, even if it has
// failed. If the other one has the same value, nothing is lost; if not, or if
// it is too late to tell (after a million records), data was left out, and
// Incomplete is true. So it is with a whole document that comes twice under
// one name. All of this is told to Options.Report.
package join

import (
	"errors"
	"hash/maphash"
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

	// Memory is how many bytes of records may wait in memory, DefaultMemory if
	// it is 0; beyond that they wait in a file in TempDir, /tmp if that is empty.
	Memory  int64
	TempDir string

	Report func(Problem) // may be nil
}

// A Joiner joins the records that are added to it.
type Joiner struct {
	opt  Options
	sink sink

	docs   map[key]*doc
	queue  []*doc            // those still to be written, in order of appearance
	failed []*doc            // those written up to a record that failed
	opened int               // how many documents there were
	closed map[uint64]closed // by the hash of the key, for there may be many

	held  int64 // bytes that wait in memory
	spill spill

	seed    maphash.Seed
	digests int // how many more may be kept of what is written

	recent     *doc   // of the record before, if it is still open
	recentName []byte // and its doc, as it stood there
	text       []byte // memory for the text of a record
	repeated   Problem
	incomplete bool
}

// closed is what is kept of a document that was written completely.
type closed struct {
	last    int64
	digests []uint64
}

const (
	// DefaultMemory is how many bytes of records may wait in memory.
	DefaultMemory = 256 << 20

	maxDigests = 1 << 20
)

// A key tells documents apart: those with a name, and that of the records which
// have none.
type key struct {
	name      string
	anonymous bool
}

// A sink writes the records of documents, which come in order, one document
// after the other.
type sink interface {
	add(d *doc, sep string, p piece, text []byte) error // sep is unless p is the first
	end(d *doc, complete bool) error                    // called once for each document
	finish() error
	flush() error
}

// New returns a Joiner that writes to out.
func New(out io.Writer, opt Options) *Joiner {
	if opt.Report == nil {
		opt.Report = func(Problem) {}
	}
	if opt.Memory == 0 {
		opt.Memory = DefaultMemory
	}
	if opt.TempDir == "" {
		opt.TempDir = "/tmp"
	}
	j := &Joiner{
		opt: opt, docs: map[key]*doc{}, closed: map[uint64]closed{},
		spill: spill{dir: opt.TempDir}, seed: maphash.MakeSeed(), digests: maxDigests,
	}
	switch {
	case opt.Tokens > 0:
		j.sink = newPacks(out, &j.opt)
	case opt.JSONL:
		j.sink = newDocuments(out)
	default:
		j.sink = newTexts(out, opt.Sep)
	}
	return j
}

// Add takes in a record and writes what can be written; it keeps none of the
// record's memory. An error is one of writing, or a SpillError, and the end:
// Close is not to be called after it.
func (j *Joiner) Add(rec record.Record) error { return j.ended(j.add(&rec)) }

// Flush sends on what has been written so far.
func (j *Joiner) Flush() error { return j.sink.flush() }

// Incomplete reports whether a document had a gap so far, or something was left
// out; with AllowMissing, a gap that has a mark is none.
func (j *Joiner) Incomplete() bool { return j.incomplete }

// Close writes what is still waiting, says what is missing, and flushes. Its
// errors are those of Add.
func (j *Joiner) Close() error {
	j.tellRepeated()
	for _, d := range j.failed {
		j.lacking(d)
	}
	for len(j.queue) > 0 {
		if err := j.finish(j.queue[0]); err != nil {
			return j.ended(err)
		}
		j.queue = j.queue[1:]
	}
	j.spill.close()
	if err := j.sink.finish(); err != nil {
		return err
	}
	return j.sink.flush()
}

// ended ends the output when what waits cannot be had.
func (j *Joiner) ended(err error) error {
	var lost *SpillError
	if !errors.As(err, &lost) {
		return err
	}
	j.spill.close()
	if err := j.sink.end(j.queue[0], false); err != nil {
		return err
	}
	if err := j.sink.flush(); err != nil {
		return err
	}
	return lost
}
