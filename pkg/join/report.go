package join

import "hash/maphash"

// tell reports a problem.
func (j *Joiner) tell(p Problem) {
	j.tellRepeated()
	j.opt.Report(p)
	switch p.Kind {
	case Missing, Failed, NoLast:
		j.incomplete = j.incomplete || !j.opt.AllowMissing
	case Bad:
		j.incomplete = true
	}
}

// repeat reports a record that was left out, together with those before it if
// they are its neighbours: a document that comes twice is one line.
func (j *Joiner) repeat(p Problem) {
	j.incomplete = j.incomplete || p.Differs
	r := &j.repeated
	if r.Doc == p.Doc && r.Kind == p.Kind && r.Differs == p.Differs && r.Last == p.Last && r.To+1 == p.Seq {
		r.To = p.To
		return
	}
	j.tellRepeated()
	j.repeated = p
}

// tellRepeated reports what repeat has put off.
func (j *Joiner) tellRepeated() {
	if p := j.repeated; p != (Problem{}) {
		j.repeated = Problem{}
		j.opt.Report(p)
	}
}

// digest returns what stands for a value when two are compared; it is not 0,
// which stands for nothing.
func (j *Joiner) digest(value []byte, failure string) uint64 {
	if failure != "" {
		value = []byte(failure)
	}
	return max(1, maphash.Bytes(j.seed, value))
}
