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

	FileID string `json:"file_id,omitempty"` // uploaded

	// Before a creation is tried, Attempt is counted up and the time noted.
	Attempt int       `json:"attempt,omitempty"`
	Tried   time.Time `json:"tried,omitzero"`

	BatchID string `json:"batch_id,omitempty"` // created

	Collected bool `json:"collected,omitempty"` // the results are here

	needed bool // it has requests of this run
	live   live
}

// live is what is known of a batch in this run alone.
type live struct {
	object   object
	due      time.Time     // of the next poll
	interval time.Duration // before it
	outage   time.Time     // when polls began to fail, or zero
}

const stateVersion = 1

func (r *run) path(name string) string { return filepath.Join(r.job.Dir, name) }

func (r *run) requestsOf(p *part) string { return r.path(fmt.Sprintf("part-%06d.jsonl", p.N)) }
func (r *run) resultsOf(p *part) string  { return r.path(fmt.Sprintf("part-%06d.results.jsonl", p.N)) }

// tag is what the batch of a part has in its metadata.
func (r *run) tag(p *part) string { return fmt.Sprintf("%s-%d-%d", r.state.ID, p.N, p.Attempt) }

func (r *run) load() error {
	data, err := os.ReadFile(r.path("state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		id := make([]byte, 8)
		rand.Read(id)
		r.state = state{Version: stateVersion, Endpoint: r.job.Endpoint, ID: hex.EncodeToString(id), Next: 1}
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, &r.state); err != nil {
		return fmt.Errorf("%s: %w", r.path("state.json"), err)
	}
	switch {
	case r.state.Version != stateVersion:
		return fmt.Errorf("%s: version %d is not known here", r.path("state.json"), r.state.Version)
	case r.state.Endpoint != r.job.Endpoint:
		return ErrForeign
	}
	return nil
}

func (r *run) save() error {
	if err := r.step("save"); err != nil {
		return err
	}
	data, err := json.MarshalIndent(&r.state, "", " ")
	if err != nil {
		return err
	}
	err = writeFile(r.path("state.json"), func(f *os.File) error {
		_, err := f.Write(append(data, '\n'))
		return err
	})
	if err != nil {
		return err
	}
	return r.step("saved")
}
