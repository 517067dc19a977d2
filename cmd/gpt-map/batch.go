package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
	"gptpipe/pkg/record"
)

// resubmits is how often a request that expired is put into a further batch.
const resubmits = 2

// runBatch has the records answered by the provider's Batch API.
func (m *mapper) runBatch() error {
	dir, err := m.batchDir()
	if err != nil {
		return err
	}
	job := m.client.BatchJob()
	job.Dir = dir
	job.Resubmit = resubmits
	job.Requests = m.batchRequests()
	job.Emit = m.batchResult
	job.Report = m.batchReport()
	job.Warn = func(err error) { m.sys.Log.Warnf("%v", err) }
	err = batch.Run(m.drain.Soft, job)
	if err == nil {
		if err = m.Flush(); err == nil && m.output.path == "" {
			err = batch.Remove(dir) // with -o, once the file is in its place
		}
	}
	return err
}

// batchDir is the folder of the job, the same when the same command is given
// again: beside the output file, or else in the cache.
func (m *mapper) batchDir() (string, error) {
	if m.output.path != "" {
		return m.output.batches(), nil
	}
	state := cli.StateDir(m.sys.Getenv)
	here, err := os.Getwd()
	if state == "" || err != nil {
		return "", cli.WithHint(cli.Usagef("--batch: there is no place to note what is submitted"), "name an output file with -o")
	}
	sum := sha256.Sum256([]byte(here + "\x00" + strings.Join(m.sys.Args, "\x00")))
	return filepath.Join(state, "batches", fmt.Sprintf("%x", sum[:8])), nil
}

// batchRequests are the questions of the records, and with each what its result
// is made of.
func (m *mapper) batchRequests() iter.Seq2[batch.Request, error] {
	return func(yield func(batch.Request, error) bool) {
		for {
			it, err := m.source.next()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(batch.Request{}, err)
				return
			}
			req, before, err := m.question(it)
			out := batch.Request{Model: m.client.Model(), Data: packed(before)}
			if req != nil {
				out.Body = req.Body
			}
			if !yield(out, err) || err != nil {
				return
			}
		}
	}
}

// batchResult writes what became of a record.
func (m *mapper) batchResult(b batch.Result) error {
	r, err := unpacked(b.Data)
	switch {
	case err != nil:
		return err
	case !b.Asked:
	case b.Err != nil && b.Err.Final():
		return b.Err
	case b.Err != nil:
		r = m.failure(r.record, b.Err, b.Response)
	default:
		r = m.succeed(r.record, b.Response)
	}
	return m.Write(r)
}

// packed is a result as bytes: its line, whether it failed and why, and the
// record.
func packed(r result) []byte {
	out := binary.AppendUvarint(nil, uint64(r.record.Line))
	why := ""
	if r.why != nil {
		why = r.why.Error()
	}
	failed := uint64(0)
	if r.failed {
		failed = 1
	}
	out = binary.AppendUvarint(out, failed)
	out = binary.AppendUvarint(out, uint64(len(why)))
	out = append(out, why...)
	return append(out, r.record.Bytes()...)
}

func unpacked(data []byte) (r result, err error) {
	data = append([]byte(nil), data...) // a record holds its bytes
	number := func() uint64 {
		n, size := binary.Uvarint(data)
		if size <= 0 {
			err = errors.New("the folder of the batches is damaged")
			return 0
		}
		data = data[size:]
		return n
	}
	line, failed, length := number(), number(), number()
	if err != nil || length > uint64(len(data)) {
		return r, errors.Join(err, errors.New("the folder of the batches is damaged"))
	}
	if length > 0 {
		r.why = errors.New(string(data[:length]))
	}
	if r.record, err = record.Parse(data[length:]); err != nil {
		return r, fmt.Errorf("the folder of the batches is damaged: %w", err)
	}
	r.record.Line, r.failed = int(line), failed == 1
	return r, nil
}

// batchReport tells of each batch when its state changes; a batch may take a
// day.
func (m *mapper) batchReport() func(batch.Progress) {
	states := map[string]string{}
	return func(p batch.Progress) {
		m.done.Store(int64(p.Completed + p.Failed))
		m.errors.Store(int64(p.Failed))
		if m.progress != nil {
			m.progress.total.Store(int64(p.Requests))
		}
		for _, s := range p.Batches {
			if s.ID == "" || states[s.ID] == s.State {
				continue
			}
			states[s.ID] = s.State
			m.sys.Log.Infof("%s: %s, %d of %d done", s.ID, strings.ReplaceAll(s.State, "_", " "), s.Completed+s.Failed, s.Requests)
		}
	}
}
