package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/panics"
)

const (
	barWidth = 20
	samples  = 50 // of the number of records done, five a second, that the rate is taken from
)

// A progress is what the status line shows beside the mapper's own counts.
type progress struct {
	begun  time.Time
	batch  atomic.Pointer[batchProgress] // with --batch: as it was last reported
	total  atomic.Int64                  // records of the input, once they are counted, if they can be
	tokens atomic.Int64

	done [samples]int64
	at   [samples]time.Time
	n    int // taken so far
}

// showProgress keeps a status line on stderr until the function it returns is
// called.
func (m *mapper) showProgress(in *cli.Inputs) (stop func()) {
	switch {
	case m.o.progress.Value == "never":
		return func() {}
	case m.o.progress.Value == "auto" && (!cli.IsTerminal(m.sys.Stderr) || m.sys.Getenv("TERM") == "dumb" ||
		m.output.path == "" && cli.IsTerminal(m.sys.Stdout.File)):
		// A dumb terminal cannot take a line away, and records on the same one would run through it.
		return func() {}
	}
	m.progress = &progress{begun: time.Now()}
	if sections, ok := in.Sections(); ok {
		panics.Go(func() { m.progress.count(sections) })
	}
	return m.sys.Log.ShowStatus(m.sys.Stderr, func() string { return m.status(time.Now()) })
}

// count counts the lines that are to be read.
func (p *progress) count(sections []*io.SectionReader) {
	var n int64
	for _, s := range sections {
		in := bufio.NewReaderSize(s, 256<<10)
		for {
			line, err := in.ReadSlice('\n')
			blank := len(bytes.TrimSpace(line)) == 0
			for err == bufio.ErrBufferFull {
				blank = false
				_, err = in.ReadSlice('\n')
			}
			if !blank {
				n++
			}
			if err != nil {
				break
			}
		}
	}
	p.total.Store(n)
}

// rate is how many records a second were done in the last ten seconds.
func (p *progress) rate(done int64, now time.Time) float64 {
	oldest := 0
	if p.n >= samples {
		oldest = p.n - samples + 1
	}
	p.done[p.n%samples], p.at[p.n%samples] = done, now
	p.n++
	span := now.Sub(p.at[oldest%samples]).Seconds()
	if span <= 0 {
		return 0
	}
	return float64(done-p.done[oldest%samples]) / span
}

// status is the line: how far it is, how fast, how long it will take, and what
// is worth knowing of the rest, what matters most first: a narrow terminal cuts
// off the end.
func (m *mapper) status(now time.Time) string {
	if m.o.batch {
		return m.batchStatus()
	}
	done, total := m.done.Load(), m.progress.total.Load()
	rate := m.progress.rate(done, now)
	var line strings.Builder
	if total > 0 {
		fmt.Fprintf(&line, "%s, ", bar(done, total))
	} else {
		fmt.Fprintf(&line, "%d done, ", done)
	}
	fmt.Fprintf(&line, "%.1f/s, ", rate)
	if left := float64(total-done) / rate; total > done && left < (1000*time.Hour).Seconds() {
		fmt.Fprintf(&line, "%v left, ", (time.Duration(math.Ceil(left)) * time.Second).String())
	}
	if m.money.budget != nil {
		fmt.Fprintf(&line, "%v, ", m.money.budget.Spent())
	}
	if failed := m.errors.Load(); failed > 0 {
		fmt.Fprintf(&line, "%d failed, ", failed)
	}
	fmt.Fprintf(&line, "%d in flight", m.inFlight.Load())
	for _, n := range []struct {
		count int64
		what  string
	}{{m.client.Retried(), "retried"}, {m.cached.Load(), "cached"}} {
		if n.count > 0 {
			fmt.Fprintf(&line, ", %d %s", n.count, n.what)
		}
	}
	if tokens := m.progress.tokens.Load(); tokens > 0 {
		fmt.Fprintf(&line, ", %s tokens", short(tokens))
	}
	held := "held"
	if m.o.format.Value == "batch" {
		held = "a model held" // of several the slowest, which the rate above is not bounded by
	}
	if pace := m.client.Pace(); pace > 0 {
		fmt.Fprintf(&line, ", %s to %.3g/s", held, pace)
	}
	if most := m.client.AtOnce(); most > 0 {
		fmt.Fprintf(&line, ", %s to %d at once", held, most)
	}
	return line.String()
}

// bar draws how much of a whole is done.
func bar(done, total int64) string {
	full := int(min(float64(done)/float64(total), 1) * barWidth)
	return fmt.Sprintf("%d/%d [%s%s]", done, total, strings.Repeat("#", full), strings.Repeat(".", barWidth-full))
}

// short writes a number to three digits: 999, 12.3k, 4.56M.
func short(n int64) string {
	f, unit := float64(n), ""
	for _, u := range []string{"k", "M", "G"} {
		if f < 999.5 {
			break
		}
		f, unit = f/1000, u
	}
	if unit == "" {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.3g%s", f, unit)
}
