package batch

import "os"

// Submitted are the requests of a job that are in batches under way.
type Submitted struct{ run *run }

// Look reads what the folder of a job tells, and changes nothing there, also
// while a Run is at work. It wants the URL, Dir, Endpoint and Scope of the job.
func Look(job Job) (*Submitted, error) {
	r := &run{job: &job, parts: map[int]*part{}}
	if err := r.load(); err != nil {
		return nil, err
	}
	for _, p := range r.state.Parts {
		if !p.underWay() {
			continue
		}
		if r.index == nil {
			var err error
			if r.index, err = newIndex(os.TempDir()); err != nil {
				return nil, err
			}
		}
		r.parts[p.N] = p
		there, err := r.requestsThere(p)
		if there {
			err = r.enter(p)
		}
		if err != nil {
			r.index.close()
			return nil, err
		}
	}
	return &Submitted{r}, nil
}

// Has reports whether a request with a body is among them. It may be called by
// many goroutines at once.
func (s *Submitted) Has(body []byte) (bool, error) {
	if s.run.index == nil {
		return false, nil
	}
	at, err := s.run.index.get(s.run.sumOf(oneLine(body)))
	return at.kind == pending, err
}

// Close gives up what Look has made.
func (s *Submitted) Close() error {
	if s.run.index == nil {
		return nil
	}
	return s.run.index.close()
}
