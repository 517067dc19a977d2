package batch

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// state is what a run leaves to the next one: state.json. Beside it are, of each
// part, the file of its requests, and that of its results once it is collected.
type state struct {
	Version  int     `json:"version"`
	Endpoint string  `json:"endpoint"` // the job's
	ID       string  `json:"id"`       // random, to tell the job's batches from others
	Next     int     `json:"next"`     // number of the next part
	Parts    []*part `json:"parts"`    // in the order of their numbers

	Leftovers []string `json:"leftovers,omitempty"` // files at the provider that are to be deleted
}

// A part is a file of requests and the batch that answers it.
type part struct {
	N     int    `json:"n"`
	Model string `json:"model"`
	Lines int    `json:"lines"`
	Bytes int64  `json:"bytes"`
	Try   int    `json:"try"` // how often its requests have been submitted before

	Anew *string `json:"anew,omitempty"` // of the Job that has made it, and then collected it; nil: version 1 did not note it

	FileID string `json:"file_id,omitempty"` // uploaded

	// Before a creation is tried, Attempt is counted up and the time noted.
	Attempt int       `json:"attempt,omitempty"`
	Tried   time.Time `json:"tried,omitzero"`

	BatchID string `json:"batch_id,omitempty"` // created

	Collected bool  `json:"collected,omitempty"` // the results are here
	Told      bool  `json:"told,omitempty"`      // or some are, and the caller was told of them
	Results   int64 `json:"results,omitempty"`   // bytes of them, once all are

	made   bool // by this run
	needed bool // it has requests of this run
	live   live
}

// live is what is known of a batch in this run alone.
type live struct {
	object   object
	due      time.Time     // of the next poll
	interval time.Duration // before it
	outage   time.Time     // when polls, or the fetching of results, began to fail, or zero
	lacking  time.Time     // when results were first found lacking, or zero
	fetches  int           // of all files, with results lacking
	marked   bool          // those of an earlier run are noted as told of
	lost     bool          // this run has given it up
	unknown  error         // of recover: nobody says whether it was created
}

// ends reports whether this run is done with it.
func (p *part) ends() bool { return p.Collected || p.live.lost }

// submitted reports whether it has a batch, or may have one.
func (p *part) submitted() bool { return p.BatchID != "" || !p.Tried.IsZero() }

// underWay reports whether the provider may be at work on it, or be done.
func (p *part) underWay() bool { return !p.Collected && p.submitted() }

// anewOf is the Anew of a part. One that does not tell fits every job.
func (r *run) anewOf(p *part) string {
	if p.Anew == nil {
		return r.job.Anew
	}
	return *p.Anew
}

// Programs of version 1 take a failure that was collected for the last word, and
// would pass over the answer of a later batch.
const stateVersion = 2

func (r *run) path(name string) string { return filepath.Join(r.job.Dir, name) }

func (r *run) requestsOf(p *part) string { return r.path(p.requests()) }
func (r *run) resultsOf(p *part) string  { return r.path(p.results()) }

func (p *part) requests() string { return fmt.Sprintf("part-%06d.jsonl", p.N) }
func (p *part) results() string  { return fmt.Sprintf("part-%06d.results.jsonl", p.N) }

// filesOf is the path of all files of a part, as a pattern of the shell.
func (r *run) filesOf(p *part) string { return r.path(fmt.Sprintf("part-%06d.*", p.N)) }

// tag is what the batch of a part has in its metadata.
func (r *run) tag(p *part) string { return fmt.Sprintf("%s-%d-%d", r.state.ID, p.N, p.Attempt) }

func (r *run) load() (err error) {
	r.state, err = readState(r.job.Dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		id := make([]byte, 8)
		rand.Read(id)
		r.state = state{Version: stateVersion, Endpoint: r.job.Endpoint, ID: hex.EncodeToString(id), Next: 1}
		return nil
	case err == nil && r.state.Endpoint != r.job.Endpoint:
		return ErrForeign
	}
	return err
}

func readState(dir string) (s state, err error) {
	path := filepath.Join(dir, "state.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err = json.Unmarshal(data, &s); err != nil {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	} else if s.Version != 1 && s.Version != stateVersion {
		err = fmt.Errorf("version %d is not known here", s.Version)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	s.Version = stateVersion // when it is written
	return s, nil
}

func (r *run) save() error {
	if err := r.step("save"); err != nil {
		return err
	}
	if err := r.state.write(r.job.Dir); err != nil {
		return err
	}
	return r.step("saved")
}

func (s *state) write(dir string) error {
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "state.json"), func(f *os.File) error {
		_, err := f.Write(append(data, '\n'))
		return err
	})
}
