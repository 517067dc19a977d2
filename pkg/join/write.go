package join

import "hash/maphash"

// advance writes what is in order, and goes on to the next document when the
// first can go no further.
func (j *Joiner) advance() error {
	for len(j.queue) > 0 {
		d := j.queue[0]
		if err := j.writeWaiting(d); err != nil {
			return err
		}
		complete := d.last >= 0 && d.next > d.last
		if !complete && d.next != d.failed {
			return nil
		}
		if err := j.sink.end(d, complete); err != nil {
			return err
		}
		j.release(d)
		if complete {
			if d.seen.max > d.last {
				j.lacking(d)
			}
			delete(j.docs, d.key)
			if j.recent == d {
				j.recent = nil
			}
			j.closed[maphash.Comparable(j.seed, d.key)] = closed{d.last, d.seen.flat(&j.digests)}
		} else {
			j.failed = append(j.failed, d)
		}
		j.queue[0] = nil
		j.queue = j.queue[1:]
	}
	return nil
}

// writeWaiting writes the pieces of d that wait and are in order.
func (j *Joiner) writeWaiting(d *doc) error {
	for d.last < 0 || d.next <= d.last {
		p, ok, err := j.take(d)
		if err != nil || !ok {
			return err
		}
		if err := j.write(d, p, p.seq); err != nil {
			return err
		}
	}
	return nil
}

// write writes the piece that is next; it stands for all up to to.
func (j *Joiner) write(d *doc, p piece, to int64) error {
	var err error
	if j.text, err = p.appendText(j.text[:0]); err != nil {
		return err
	}
	text := j.text
	if p.cut {
		n, ok := d.overlap(p, text)
		if !ok {
			j.repeat(Problem{Kind: Offsets, Doc: d.name, Seq: p.seq, To: p.seq})
		}
		text = text[n:]
	}
	d.next = to + 1
	sep := d.separator(j.opt.Sep, p)
	return j.sink.add(d, sep, p, text)
}

// lacking tells what is missing of a document of which nothing more will come,
// and returns it; and what is behind its last record.
func (j *Joiner) lacking(d *doc) (gaps []run) {
	next := int64(0)
	for from, to := range d.seen.runs() {
		if d.last >= 0 && to > d.last {
			j.repeat(Problem{Kind: Behind, Doc: d.name, Seq: max(from, d.last+1), To: to, Last: d.last, Differs: true})
		}
		if d.last >= 0 && from > d.last {
			continue
		}
		if from > next {
			gaps = append(gaps, run{next, from - 1})
		}
		next = to + 1
	}
	for _, g := range gaps {
		g.each(func(from, to int64) {
			j.tell(Problem{Kind: Missing, Doc: d.name, Seq: from, To: to})
		})
	}
	if d.numbered && d.last < 0 {
		j.tell(Problem{Kind: NoLast, Doc: d.name, Seq: d.seen.max})
		gaps = append(gaps, run{d.seen.max + 1, d.seen.max + 1})
	}
	return gaps
}

// finish ends a document that is still to be written.
func (j *Joiner) finish(d *doc) error {
	gaps := j.lacking(d)
	complete := d.failed < 0 && (len(gaps) == 0 || j.opt.AllowMissing)
	if err := j.writeWaiting(d); err != nil {
		return err
	}
	if j.opt.AllowMissing {
		for _, g := range gaps {
			var err error
			g.each(func(from, to int64) {
				if err == nil {
					err = j.write(d, mark(d.name, from, to), to)
				}
			})
			if err == nil {
				err = j.writeWaiting(d)
			}
			if err != nil {
				return err
			}
		}
	}
	j.release(d)
	return j.sink.end(d, complete)
}
