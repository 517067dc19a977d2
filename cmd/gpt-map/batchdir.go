package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gptpipe/pkg/batch"
	"gptpipe/pkg/cli"
)

// howNotWhat are flags that a command may change to go on with the same batches.
var howNotWhat = []string{"max-cost", "halt", "allow-failed", "progress", "quiet", "log-level", "retries", "timeout", "max-wait", "dry-run"}

// batchDir is the folder of the job, the same when the same command is given
// again: beside the output file, or else among the state of the user's
// programs, by the place, what is asked, and the input, if that is a file.
func (m *mapper) batchDir() (string, error) {
	if m.o.output != "-" {
		to, err := target(m.o.output)
		return (&output{path: to}).batches(), err
	}
	state := cli.StateDir(m.sys.Getenv)
	here, err := os.Getwd()
	if state == "" || err != nil {
		return "", cli.WithHint(cli.Usagef("--batch: there is no place to note what is submitted"), "name an output file with -o")
	}
	names := append([]string{here, m.source.in.StdinPath(), m.client.BatchJob().Endpoint}, m.asked...)
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return filepath.Join(state, "batches", fmt.Sprintf("%x", sum[:8])), nil
}

// batchesNoted reports whether the folder tells of batches that the next run needs:
// of those that are collected, the answers are in the journal, if there is one.
func (m *mapper) batchesNoted() bool {
	if m.batches == "" {
		return false
	}
	noted := batch.Any
	if m.output.journal != nil {
		noted = batch.UnderWay
	}
	yes, _ := noted(m.batches) // what is wrong there is told of already
	return yes
}

// forgetBatches removes what is noted of batches, once all that is worth
// keeping is in the output, or the journal.
func (m *mapper) forgetBatches() error {
	dir := m.batches
	if m.output.path != "" { // of a live run, too, that has gone on from them
		dir = m.output.batches()
	}
	if dir == "" {
		return nil
	}
	err := batch.Remove(dir)
	if underWay, _ := batch.UnderWay(dir); underWay {
		m.sys.Log.Warnf("the input had no need of some batches, which are under way: they stay noted in %s", dir)
	}
	return err
}
