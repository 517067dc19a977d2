package main

import (
	"fmt"
	"time"

	"gptpipe/pkg/cli"
)

// showProgress keeps a status line on stderr until the function it returns is
// called.
func (m *mapper) showProgress() (stop func()) {
	switch {
	case m.o.progress.Value == "never":
		return func() {}
	case m.o.progress.Value == "auto" && (!cli.IsTerminal(m.sys.Stderr) || cli.IsTerminal(m.sys.Stdout.File)):
		// Records on the same terminal would run through the line.
		return func() {}
	}
	begin := time.Now()
	return m.sys.Log.ShowStatus(m.sys.Stderr, func() string {
		done := m.done.Load()
		rate := float64(done) / time.Since(begin).Seconds()
		line := fmt.Sprintf("%d done, %d in flight, %.1f/s", done, m.inFlight.Load(), rate)
		for _, n := range []struct {
			count int64
			what  string
		}{{m.cached.Load(), "cached"}, {m.client.Retried(), "retried"}, {m.errors.Load(), "failed"}} {
			if n.count > 0 {
				line += fmt.Sprintf(", %d %s", n.count, n.what)
			}
		}
		return line
	})
}
