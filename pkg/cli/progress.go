package cli

import (
	"cmp"
	"os"
	"strings"
	"time"
)

// ShowStatus keeps one line at the bottom of the terminal, made anew by line
// five times a second, with messages above it. The function it returns takes
// the line away.
func (l *Log) ShowStatus(terminal *os.File, line func() string) (stop func()) {
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				l.setStatus(fit(l.name+": "+line(), terminal))
			case <-done:
				l.setStatus("")
				return
			}
		}
	}()
	return func() { close(done); <-gone }
}

// fit cuts a line to the width of the terminal, so that it does not wrap: at a
// comma, for half a number would be another.
func fit(line string, terminal *os.File) string {
	runes, width := []rune(line), cmp.Or(Width(terminal), 80)
	if len(runes) < width {
		return line
	}
	line = string(runes[:width-1])
	if i := strings.LastIndex(line, ", "); i > 0 {
		return line[:i]
	}
	return line
}
