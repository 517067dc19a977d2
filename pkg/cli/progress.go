package cli

import (
	"cmp"
	"os"
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

// fit cuts a line to the width of the terminal, so that it does not wrap.
func fit(line string, terminal *os.File) string {
	width := cmp.Or(Width(terminal), 80)
	runes := []rune(line)
	return string(runes[:min(len(runes), width-1)])
}
