package token

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"gptpipe/pkg/panics"
)

// segment is how much text is counted at a time where it is divided, in bytes.
const segment = 128 << 10

// CountParallel is Count with as many goroutines as can run at once, for texts
// of megabytes. It divides the text where counts add up; where there is no such
// place for long, one goroutine counts all of that. It is for programs that count
// whole texts; the commands count records and chunks, which are short.
func (e *Encoding) CountParallel(text string) int {
	var (
		mu    sync.Mutex
		rest  = text
		total atomic.Int64
		tasks sync.WaitGroup
	)
	next := func() string {
		mu.Lock()
		defer mu.Unlock()
		n := additive(rest, segment)
		part := rest[:n]
		rest = rest[n:]
		return part
	}
	for range min(runtime.GOMAXPROCS(0), len(text)/segment+1) {
		tasks.Go(panics.Func(func() {
			for part := next(); part != ""; part = next() {
				total.Add(int64(e.Count(part)))
			}
		}))
	}
	tasks.Wait()
	return int(total.Load())
}

// additive returns the first offset from n on, which is over 0, at which text can be divided and
// its count is that of the two parts, or the length of text. In both encodings
// a piece ends there: before a space that stands behind something else than
// white space, and behind a line feed before something that is neither
// white space nor a slash.
func additive(text string, n int) int {
	for n++; n < len(text); n++ {
		i := strings.IndexAny(text[n-1:], " \n")
		if i < 0 {
			break
		}
		n += i // text[n-1] is what was found
		if text[n-1] == '\n' {
			if c, _ := classAt(text, n); c&(space|newline) == 0 && n < len(text) && text[n] != '/' {
				return n
			}
			continue
		}
		before, _ := utf8.DecodeLastRuneInString(text[:n-1])
		if classOf(before)&(space|newline) == 0 {
			return n - 1
		}
	}
	return len(text)
}
