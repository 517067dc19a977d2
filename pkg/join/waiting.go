package join

import (
	"maps"
	"slices"
)

// pieceSize is about what a piece takes in memory besides its value.
const pieceSize = 100

// keep lets a piece wait, unless it will never be written.
func (j *Joiner) keep(d *doc, p piece) error {
	if d.failed >= 0 && p.seq > d.failed {
		return nil
	}
	p.value = slices.Clone(p.value)
	if d.waiting == nil {
		d.waiting = map[int64]piece{}
	}
	d.waiting[p.seq] = p
	j.held += int64(len(p.value)) + pieceSize
	if j.held > j.opt.Memory {
		return j.spillAll()
	}
	return nil
}

// take returns the piece that d is to go on with, if it is there. d is the first
// of the queue.
func (j *Joiner) take(d *doc) (p piece, ok bool, err error) {
	if p, ok = d.waiting[d.next]; ok {
		j.forget(d, p)
		return p, true, nil
	}
	return j.spill.take(d.number, d.next)
}

func (j *Joiner) forget(d *doc, p piece) {
	j.held -= int64(len(p.value)) + pieceSize
	delete(d.waiting, p.seq)
}

// release gives up what of d is never to be written. What is spilled of it is
// passed over when its turn comes.
func (j *Joiner) release(d *doc) {
	for _, p := range d.waiting {
		j.forget(d, p)
	}
}

// spillAll writes all that waits in memory to the file, in the order in which
// it will be wanted.
func (j *Joiner) spillAll() error {
	if err := j.spill.begin(); err != nil {
		return err
	}
	for _, d := range j.queue {
		for _, seq := range slices.Sorted(maps.Keys(d.waiting)) {
			if err := j.spill.put(d.number, d.waiting[seq]); err != nil {
				return err
			}
		}
		d.waiting = nil // a map does not shrink
	}
	j.held = 0
	return j.spill.finish()
}
