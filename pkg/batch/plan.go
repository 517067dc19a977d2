package batch

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
)

// A planner puts requests into parts: files of one model within the limits.
type planner struct {
	run  *run
	open map[string]*openPart // by model
	made []*part
}

type openPart struct {
	part *part
	file *os.File
	out  *bufio.Writer
}

func (r *run) newPlanner() *planner { return &planner{run: r, open: map[string]*openPart{}} }

// add puts the line of a request into a part, and notes where it is. Once there
// is no room for one in the reserve, it puts none.
func (pl *planner) add(s sum, model string, body, line []byte, try int) error {
	r := pl.run
	if r.job.Reserve != nil {
		if r.stopped == nil {
			r.stopped = r.job.Reserve(Request{Model: model, Body: body})
		}
		if r.stopped != nil {
			return nil
		}
	}
	o := pl.open[model]
	if o != nil && (o.part.Lines >= r.job.test.maxLines || o.part.Bytes+int64(len(line)) > int64(r.job.test.maxBytes)) {
		if err := pl.close(model); err != nil {
			return err
		}
		o = nil
	}
	if o == nil {
		p := &part{N: r.state.Next, Model: model, Try: try, Anew: &r.job.Anew, made: true, needed: true}
		f, err := os.OpenFile(r.requestsOf(p), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		o = &openPart{p, f, bufio.NewWriterSize(f, 256<<10)}
		pl.open[model] = o
		pl.made = append(pl.made, p)
		r.parts[p.N] = p
		r.state.Next++
	}
	if try == 0 {
		r.wanted++
	}
	o.part.Lines++
	o.part.Bytes += int64(len(line))
	if _, err := o.out.Write(line); err != nil {
		return err
	}
	return r.index.put(s, place{kind: pending, part: o.part.N, wanted: true})
}

func (pl *planner) close(model string) error {
	o := pl.open[model]
	delete(pl.open, model)
	return errors.Join(o.out.Flush(), o.file.Sync(), o.file.Close())
}

// finish makes the parts ones of the job.
func (pl *planner) finish() error {
	for model := range pl.open {
		if err := pl.close(model); err != nil {
			return err
		}
	}
	if pl.made == nil {
		return nil
	}
	if err := syncDir(pl.run.job.Dir); err != nil {
		return err
	}
	pl.run.state.Parts = append(pl.run.state.Parts, pl.made...)
	return pl.run.save()
}

// discard gives the files up that are still open after a failure.
func (pl *planner) discard() {
	for _, o := range pl.open {
		o.file.Close()
	}
}

// plan reads the requests, writes their order down, and puts those that are in
// no part into new ones. It ends with the first that cannot be reserved.
func (r *run) plan(ctx context.Context) error {
	pl := r.newPlanner()
	defer pl.discard()
	var line []byte
	for req, err := range r.job.Requests {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if len(req.Body) == 0 {
			if err := r.order.write(item{what: notAsked, data: req.Data}); err != nil {
				return err
			}
			continue
		}
		body := oneLine(req.Body)
		s := r.sumOf(body)
		line = AppendInput(line[:0], Input{
			CustomID: hex.EncodeToString(s[:]), Method: http.MethodPost, URL: r.job.URL, Body: body,
		})
		if len(line) > r.job.test.maxBytes {
			if err := r.order.write(item{what: tooLarge, data: req.Data}); err != nil {
				return err
			}
			continue
		}
		if err := r.want(pl, s, req.Model, body, line); err != nil {
			return err
		}
		if r.stopped != nil {
			break
		}
		if err := r.order.write(item{what: asked, sum: s, data: req.Data}); err != nil {
			return err
		}
	}
	if err := r.order.rewind(); err != nil {
		return err
	}
	return pl.finish()
}

// want notes that a request is one of this run, and has it submitted unless it
// is or was.
func (r *run) want(pl *planner, s sum, model string, body, line []byte) error {
	at, err := r.find(s)
	if err != nil || at.wanted {
		return err
	}
	if at.kind == unknown || at.lacks() {
		return pl.add(s, model, body, line, 0)
	}
	r.wanted++
	at.wanted = true
	if at.kind == answered {
		r.answered++
	} else {
		r.parts[at.part].needed = true
	}
	return r.index.put(s, at)
}

// sumOf names a request of this job.
func (r *run) sumOf(body []byte) sum {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", r.job.URL, r.job.Scope)
	h.Write(body)
	return sum(h.Sum(nil)[:16])
}

// sumOfLine is the name in a line that add has written.
func sumOfLine(line []byte) (s sum, ok bool) {
	const begin = len(`{"custom_id":"`)
	if len(line) < begin+2*len(s) {
		return s, false
	}
	return parseSum(string(line[begin : begin+2*len(s)]))
}

func parseSum(id string) (s sum, ok bool) {
	if len(id) != 2*len(s) {
		return s, false
	}
	_, err := hex.Decode(s[:], []byte(id))
	return s, err == nil
}
