package join

import (
	"hash/maphash"

	"gptpipe/pkg/record"
)

// add is Add, but for the end.
func (j *Joiner) add(rec *record.Record) error {
	d, seq := j.place(rec)
	if d == nil {
		return nil
	}
	p, failure := value(rec, j.opt.In)
	p.seq = seq
	digest := j.digest(p.value, failure)
	if d.last >= 0 && seq > d.last {
		j.repeat(Problem{Kind: Behind, Doc: d.name, Seq: seq, To: seq, Last: d.last, Differs: true})
		return nil
	}
	if first, ok := d.seen.add(seq, digest, &j.digests); !ok {
		j.repeat(Problem{Kind: Duplicate, Doc: d.name, Seq: seq, To: seq, Differs: first != digest})
		return nil
	}
	if isTrue(rec, "last") {
		d.last = seq // and not behind an earlier one
	}
	if failure != "" {
		j.tell(Problem{Kind: Failed, Doc: d.name, Seq: seq, Detail: failure})
		if !j.opt.AllowMissing {
			if d.failed < 0 || d.failed > seq {
				d.failed = seq
			}
			return j.advance()
		}
		p = mark(d.name, seq, seq)
	}
	if seq != d.next || len(j.queue) == 0 || j.queue[0] != d {
		return j.keep(d, p)
	}
	if err := j.write(d, p, seq); err != nil {
		return err
	}
	return j.advance()
}

// place returns the document a record belongs to, and where. It returns nil if
// the record is not to be written, and has been told.
func (j *Joiner) place(rec *record.Record) (d *doc, seq int64) {
	seq, err := number(rec)
	if err != nil {
		j.tell(Problem{Kind: Bad, Line: rec.Line, Detail: err.Error()})
		return nil, 0
	}
	raw, named := rec.Get("doc")
	if named = named && string(raw) != "null"; !named {
		raw = nil
	}
	if d = j.recent; d == nil || string(raw) != string(j.recentName) {
		k := key{name: "-", anonymous: !named}
		if named {
			k.name = record.Text(raw)
		}
		if d = j.docs[k]; d == nil {
			if c, ok := j.closed[maphash.Comparable(j.seed, k)]; ok {
				j.late(rec, k.name, seq, c)
				return nil, 0
			}
			d = newDoc(k, j.opened)
			j.opened++
			j.docs[k] = d
			j.queue = append(j.queue, d)
		}
		j.recent, j.recentName = d, append(j.recentName[:0], raw...)
	}
	if seq < 0 {
		return d, d.seen.max + 1
	}
	d.numbered = true
	return d, seq
}

// late tells of a record whose document has been written.
func (j *Joiner) late(rec *record.Record, name string, seq int64, c closed) {
	p, failure := value(rec, j.opt.In)
	switch {
	case seq < 0 || seq > c.last:
		seq = max(seq, c.last+1)
		j.repeat(Problem{Kind: Behind, Doc: name, Seq: seq, To: seq, Last: c.last, Differs: true})
	default:
		same := seq < int64(len(c.digests)) && c.digests[seq] == j.digest(p.value, failure)
		j.repeat(Problem{Kind: Duplicate, Doc: name, Seq: seq, To: seq, Differs: !same})
	}
}
