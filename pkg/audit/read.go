package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Read calls each with the records of the log at path, the oldest first, and
// the line each came from, without its newline. It answers how many lines were
// passed over, being no records: half-written ones. A log that does not exist
// is an empty one. An error of each ends it.
//
// It reads what stood there when it was called; nobody who writes has to wait
// meanwhile.
func Read(path string, each func(r Record, line []byte) error) (passed int, err error) {
	return standard(path).read(each)
}

func (l log) read(each func(Record, []byte) error) (passed int, err error) {
	parts, err := l.parts()
	defer func() {
		for _, p := range parts {
			p.file.Close()
		}
	}()
	if err != nil {
		return 0, err
	}
	for i := len(parts) - 1; i >= 0; i-- {
		in := bufio.NewReaderSize(io.NewSectionReader(parts[i].file, 0, parts[i].size), 1<<16)
		for {
			line, err := in.ReadBytes('\n')
			line = bytes.TrimSuffix(line, []byte("\n"))
			if len(line) > 0 {
				var r Record
				if json.Unmarshal(line, &r) != nil || r.Event == "" {
					passed++
				} else if err := each(r, line); err != nil {
					return passed, err
				}
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return passed, err
			}
		}
	}
	return passed, nil
}

// A part is a file of the log, up to where it had been written.
type part struct {
	file *os.File
	size int64
}

// parts opens the files of the log, the newest first, while nobody renames or
// writes.
func (l log) parts() (parts []part, err error) {
	current, err := open(l.path, os.O_RDONLY, syscall.LOCK_SH)
	switch {
	case err == nil:
		// The lock belongs to the open file, which stays open.
		defer syscall.Flock(int(current.Fd()), syscall.LOCK_UN)
		parts = append(parts, part{file: current})
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	for n := 1; n <= l.kept; n++ {
		f, err := os.Open(l.generation(n))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return parts, err
		}
		parts = append(parts, part{file: f})
	}
	for i := range parts {
		info, err := parts[i].file.Stat()
		if err != nil {
			return parts, err
		}
		parts[i].size = info.Size()
	}
	return parts, nil
}
