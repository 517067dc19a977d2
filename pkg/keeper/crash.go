package keeper

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"gptpipe/pkg/hub/place"
)

const (
	maxCrashes  = 3 // in a row, and what was open is moved aside
	crashHead   = 128
	crashReport = 1 << 20 // bytes of a report that are looked at
	lastSuffix  = ".last" // of the report before
	stuckReport = "stuck: "
)

// A crashLog is the file by which the next keeper learns how this one ended. Badger can panic in goroutines of its own,
// where nothing catches it, and that ends the process. The Go runtime then writes its report into the file; a keeper
// that is killed, or leaves, writes none.
//
// In front of the report stands a line of the keeper's: how many crashes came before in a row, that is without a clean
// close of the databases between them, and which databases are open.
type crashLog struct {
	mu    sync.Mutex
	file  *os.File // nil: nothing is written; guarded by mu
	count int
	open  []string // names of databases
}

// begin reads what the last keeper left. What crashed it too often is moved aside.
func (l *crashLog) begin(s *store) {
	path := filepath.Join(s.dir, place.Crash)
	names, why := l.read(path)
	if l.count >= maxCrashes {
		l.count = 0
		for _, name := range names {
			if g := (&generation{dir: filepath.Join(s.dir, name)}); diskUse(g.dir) > 0 {
				s.moveAside(g, fmt.Sprintf("the keeper crashed %d times: %s", maxCrashes, why))
			}
		}
	}
	// Without the file, which a disk that is full may have no room for, crashes are not counted.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return
	}
	l.file = f // nobody else is there yet
	l.head("open", l.open...)
	f.Seek(crashHead, io.SeekStart)
	debug.SetCrashOutput(f, debug.CrashOptions{}) // which keeps a descriptor of its own
}

// read finds out how often keepers have crashed, over which databases and why. A report is kept for people.
func (l *crashLog) read(path string) (names []string, why string) {
	f, err := os.Open(path)
	if err != nil {
		return nil, ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, crashHead+crashReport))
	if err != nil || len(b) < crashHead {
		return nil, ""
	}
	head, report := strings.Fields(string(b[:crashHead])), b[crashHead:]
	if len(head) > 1 {
		l.count, _ = strconv.Atoi(head[0])
		names = head[2:]
	}
	if len(report) > 0 {
		os.Rename(path, path+lastSuffix)
	}
	if why = databaseCrash(report); why != "" {
		l.count++
	}
	return names, why
}

// databaseCrash answers the first line of a report if it tells of a panic in Badger that the database brought about:
// not of one of the keeper's own code, and not of a disk that is full or out of order, which is SIGBUS for mapped files.
func databaseCrash(report []byte) string {
	if why, ok := strings.CutPrefix(string(report), stuckReport); ok && !passes(why) {
		return strings.TrimSpace(why)
	}
	message, stack, ok := bytes.Cut(report, []byte("\ngoroutine "))
	if !ok || bytes.Contains(message, []byte("SIGBUS")) || passes(string(message)) {
		return ""
	}
	stack, _, _ = bytes.Cut(stack, []byte("\n\n"))
	for line := range bytes.Lines(stack) {
		switch {
		case bytes.HasPrefix(line, []byte("gptpipe/")) && !bytes.HasPrefix(line, []byte("gptpipe/pkg/keeper.loggedFatal")):
			return ""
		case bytes.HasPrefix(line, []byte("github.com/dgraph-io/")):
			first, _, _ := bytes.Cut(message, []byte("\n"))
			return string(first)
		}
	}
	return ""
}

// opening and opened stand around an attempt to open a database.
func (l *crashLog) opening(g *generation) { l.head("opening", filepath.Base(g.dir)) }

func (l *crashLog) opened(g *generation) {
	if g.db != nil {
		l.open = append(l.open, filepath.Base(g.dir))
	}
	l.head("open", l.open...)
}

// closed stands after a close that went well, of all databases or of those that were open: another may be the one that
// crashes keepers.
func (l *crashLog) closed(all bool) {
	l.open = nil
	if all {
		l.count = 0
	}
	l.head("open")
}

// stuck stands in place of a report if Badger could not write. If the machine was not to blame, that counts as a crash.
func (l *crashLog) stuck(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.WriteAt([]byte(stuckReport+why+"\n"), crashHead)
	}
}

func (l *crashLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		debug.SetCrashOutput(nil, debug.CrashOptions{})
		l.file.Close()
		l.file = nil
	}
}

func (l *crashLog) head(what string, names ...string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		line := fmt.Sprintf("%d %s %s", l.count, what, strings.Join(names, " "))
		l.file.WriteAt(fmt.Appendf(nil, "%-*.*s\n", crashHead-1, crashHead-1, line), 0)
	}
}

// loggedFatal is where Badger's log.Fatal writes to, which would end the process without a trace and without a chance
// to catch it. A panic here is one of the goroutine that called it.
type loggedFatal struct{}

func (loggedFatal) Write(b []byte) (int, error) { panic(strings.TrimSpace(string(b))) }
