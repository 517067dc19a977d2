package cli

import (
	"cmp"
	"os"
	"strings"
	"time"

	"gptpipe/pkg/panics"
)

// ShowStatus keeps one line at the bottom of the terminal, made anew by line
// five times a second, with messages above it. The function it returns takes
// the line away.
func (l *Log) ShowStatus(terminal *os.File, line func() string) (stop func()) {
	done, gone := make(chan struct{}), make(chan struct{})
	panics.Go(func() {
		defer close(gone)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				l.setStatus(fit(l.name+": "+line(), cmp.Or(Width(terminal), 80)))
			case <-done:
				l.setStatus("")
				return
			}
		}
	})
	return func() { close(done); <-gone }
}

// fit cuts a line to less than a width, so that it does not wrap: before a comma
// or a bar, for half a number would be another. What is too long for that is
// not shown.
func fit(line string, width int) string {
	runes := []rune(line)
	if len(runes) < width {
		return line
	}
	line = string(runes[:min(width+1, len(runes))]) // with the separator that may stand at the edge
	return line[:max(strings.LastIndex(line, ", "), strings.LastIndex(line, " ["), 0)]
}
