// Package journal keeps the answers of a job on disk until the job is done, so
// that however a run ends the next one goes on from there: also after the cache
// has expired, or without one.
//
// A journal is a file of JSON Lines. The first line says what it is; each other
// line is an answer under the key of its request, so that a record that was
// moved is found and one that was edited is not:
//
//	{"gptpipe":"journal 1"}
//	{"key":"<64 hex digits>","answer":{…}}
//	{"key":"<64 hex digits>","refreshed":true,"answer":{…}}
//
// A line is written with one call before the answer is handed on, and reaches
// the disk within a second. So kill -9 costs nothing that is in the journal,
// and a loss of power a second's answers. What is not a whole line, at the end
// of a file that was cut off or within one that was damaged, is not there.
//
// Before a request is sent, room on the disk is reserved for its answer. Where
// there is little, fewer requests are sent at once; when there is none, none is,
// and what is in flight has found room: see New.
//
// Memory does not grow with the journal: the index of what it held when it was
// opened is a file too, see index.
package journal

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"gptpipe/pkg/panics"
)

// Key names an answer: a SHA-256 sum of what was asked.
type Key = [32]byte

const (
	header    = `{"gptpipe":"journal 1"}` + "\n"
	keyPrefix = `{"key":"`
	keyEnd    = len(keyPrefix) + 2*len(Key{})
	refreshed = `","refreshed":true,`
	syncEvery = time.Second
)

// ErrInUse says that another process has the journal.
var ErrInUse = errors.New("another process is writing it")

// ErrForeign says that a file is no journal.
var ErrForeign = errors.New("the file is there and is not a journal of gpt-map")

// A Journal is an open journal. It is safe for concurrent use.
type Journal struct {
	file    *os.File
	refresh bool
	looks   bool // and changes nothing
	index   *index
	found   int
	toDisk  func() error // file.Sync
	atDisk  sync.Mutex   // held while that is called, so that Close waits for it and has its error; taken before mu

	room   *reserve
	rescue func(error)
	lost   atomic.Int64

	mu      sync.Mutex
	size    int64 // whole lines
	torn    bool  // behind them is a piece of one
	failed  error // of the disk: nothing more is written
	dirty   bool  // a sync is due
	syncing *time.Timer
}

// Open opens the journal at path, or makes one, mode 0600, and keeps other
// processes out. With refresh, only those answers are found that were put by
// a run with refresh: the others are what is to be asked again. First is how many
// bytes of the disk are kept for the answer to each request in flight, as long
// as none has taken more; 0: no room is kept.
func Open(path string, refresh bool, first int64) (*Journal, error) {
	f, err := lock(path)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f, refresh: refresh, room: newReserve(f, first), toDisk: f.Sync}
	if err := j.open(); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	j.syncing = time.AfterFunc(time.Hour, panics.Func(j.sync))
	j.syncing.Stop()
	return j, nil
}

// Look opens the journal at path to find answers in it, also while another
// process writes it or where nothing can be written: it takes no lock and
// changes nothing, and Put does nothing.
func Look(path string, refresh bool) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	j := &Journal{file: f, refresh: refresh, room: newReserve(f, 0), looks: true}
	lines, err := j.check()
	if err == nil && lines > 0 {
		err = j.read(lines)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return j, nil
}

// lock opens the file at path, which no link may lead away from, and locks it.
func lock(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.ENOLCK) || errors.Is(err, unix.EOPNOTSUPP) { // as some network file systems say
			return f, nil
		}
		if err == nil {
			mine, err := f.Stat()
			there, statErr := os.Stat(path)
			if err == nil && statErr == nil && os.SameFile(mine, there) {
				return f, nil
			}
			f.Close() // it was removed between the two, by a run that was done
			continue
		}
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, fmt.Errorf("%s: %w", path, err)
	}
}

func (j *Journal) open() error {
	lines, err := j.check()
	if err != nil {
		return err
	}
	// Behind the last whole line there is also what an earlier run reserved.
	if err := j.file.Truncate(j.size); err != nil {
		return err
	}
	if j.size == 0 {
		if err := j.create(); err != nil {
			return err
		}
	}
	j.room.begin(j.size)
	if lines > 0 {
		return j.read(lines)
	}
	return nil
}

// create begins the file, so that it is still there after a loss of power.
func (j *Journal) create() error {
	if _, err := j.file.WriteAt([]byte(header), 0); err != nil {
		return err
	}
	j.size = int64(len(header))
	return errors.Join(j.file.Sync(), SyncDir(filepath.Dir(j.file.Name())))
}

// check finds out whether the file is a journal, how many answers it has at
// most, and where the last whole line ends.
func (j *Journal) check() (lines int, err error) {
	info, err := j.file.Stat()
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular(): // reading a pipe would wait for ever
		return 0, ErrForeign
	}
	begin := make([]byte, len(header))
	n, err := io.ReadFull(j.file, begin)
	zeros := len(bytes.Trim(begin[:n], "\x00")) == 0 // the machine went down before this was on its disk
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		if !zeros && !bytes.HasPrefix([]byte(header), begin[:n]) {
			return 0, ErrForeign
		}
		return 0, nil // none, or one whose first line was cut off
	case err != nil:
		return 0, err
	case zeros && j.looks:
	case zeros:
		if _, err := j.file.WriteAt([]byte(header), 0); err != nil {
			return 0, err
		}
	case string(begin) != header:
		return 0, ErrForeign
	}
	j.size = int64(n)
	at, buf := j.size, make([]byte, 256<<10)
	for {
		n, err := j.file.ReadAt(buf, at)
		lines += bytes.Count(buf[:n], []byte{'\n'})
		if i := bytes.LastIndexByte(buf[:n], '\n'); i >= 0 {
			j.size = at + int64(i) + 1
		}
		at += int64(n)
		switch {
		case errors.Is(err, io.EOF):
			return lines, nil
		case err != nil:
			return 0, err
		}
	}
}

// read makes the index.
func (j *Journal) read(lines int) error {
	x, err := newIndex(filepath.Dir(j.file.Name()), lines, j.looks)
	if err != nil {
		return err
	}
	j.index = x
	in := bufio.NewReaderSize(io.NewSectionReader(j.file, int64(len(header)), j.size-int64(len(header))), 256<<10)
	for at := int64(len(header)); at < j.size; {
		head, length, err := readLine(in)
		if err != nil {
			return err
		}
		if key, ok := j.keyOf(head); ok {
			fresh, err := x.put(key, at, int64(length))
			if err != nil {
				return err
			}
			if fresh {
				j.found++
			}
			j.room.note(int64(length))
		}
		at += int64(length)
	}
	return nil
}

// readLine reads a line and returns its beginning and its length.
func readLine(in *bufio.Reader) (head []byte, length int, err error) {
	part, err := in.ReadSlice('\n')
	head, length = part, len(part)
	if errors.Is(err, bufio.ErrBufferFull) {
		head = bytes.Clone(head[:keyEnd+len(refreshed)])
	}
	for errors.Is(err, bufio.ErrBufferFull) {
		part, err = in.ReadSlice('\n')
		length += len(part)
	}
	return head, length, err
}

// keyOf reads the key at the beginning of a line, if the line is one that counts.
func (j *Journal) keyOf(line []byte) (key Key, ok bool) {
	if len(line) < keyEnd || !bytes.HasPrefix(line, []byte(keyPrefix)) ||
		j.refresh && !bytes.HasPrefix(line[keyEnd:], []byte(refreshed)) {
		return key, false
	}
	_, err := hex.Decode(key[:], line[len(keyPrefix):keyEnd])
	return key, err == nil
}

// Scarce has f called, once, when requests begin to wait for room on the disk. It
// is to be called before the first.
func (j *Journal) Scarce(f func()) { j.room.scarce = f }

// Rescue has f called, once, with the error of the first answer that does not fit on the disk. It is to make room there,
// by giving up what is worth less, for that answer and others in flight, and to end the run.
func (j *Journal) Rescue(f func(error)) { j.rescue = f }

// Lost is how many answers that were not in a cache could not be written down.
func (j *Journal) Lost() int { return int(j.lost.Load()) }

// Found is how many answers the journal held when it was opened.
func (j *Journal) Found() int { return j.found }

// Get returns the answer under key, if the journal had it when it was opened.
func (j *Journal) Get(key Key) (answer json.RawMessage, ok bool, err error) {
	if j.index == nil {
		return nil, false, nil
	}
	at, length, ok, err := j.index.get(key)
	if err != nil || !ok {
		return nil, false, err
	}
	line := make([]byte, length)
	if _, err := j.file.ReadAt(line, at); err != nil {
		return nil, false, err
	}
	if found, ok := j.keyOf(line); !ok || found != key {
		return nil, false, nil
	}
	var entry struct {
		Answer json.RawMessage `json:"answer"`
	}
	if json.Unmarshal(line, &entry) != nil || entry.Answer == nil {
		return nil, false, nil // damaged
	}
	return entry.Answer, true, nil
}

// Put adds an answer, a JSON value. When it returns, the answer outlives this
// process. After an error no more is to be asked, but where the disk is full
// another answer may fit.
func (j *Journal) Put(key Key, answer json.RawMessage) error {
	if j.looks {
		return nil
	}
	line := make([]byte, 0, keyEnd+len(refreshed)+len(answer)+16)
	line = append(line, keyPrefix...)
	line = hex.AppendEncode(line, key[:])
	if j.refresh {
		line = append(line, refreshed...)
	} else {
		line = append(line, `",`...)
	}
	line = append(line, `"answer":`...)
	line = append(line, answer...)
	line = append(line, "}\n"...)

	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failed != nil {
		return j.failed
	}
	_, err := j.file.WriteAt(line, j.size)
	if Full(err) && j.rescue != nil {
		j.rescue(err)
		j.rescue = nil
		_, err = j.file.WriteAt(line, j.size)
	}
	if err != nil {
		j.torn = true // to cut it off would give up the room that is kept, too
		if !Full(err) {
			j.failed = err
		}
		return err
	}
	j.size += int64(len(line))
	j.room.wrote(len(line), j.size)
	if !j.dirty {
		j.dirty = true
		j.syncing.Reset(syncEvery)
	}
	return nil
}

// sync sends to the disk what was put in the last second.
func (j *Journal) sync() {
	j.atDisk.Lock()
	defer j.atDisk.Unlock()
	j.mu.Lock()
	j.dirty = false
	j.mu.Unlock()
	if err := j.toDisk(); err != nil {
		j.mu.Lock()
		j.failed = err
		j.mu.Unlock()
	}
}

// Close sends everything to the disk, gives the reserve back and lets other
// processes in.
func (j *Journal) Close() error {
	j.atDisk.Lock()
	defer j.atDisk.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.syncing != nil {
		j.syncing.Stop()
	}
	err := j.failed
	if !j.looks && (j.torn || j.room.allocated > j.size) {
		_ = j.file.Truncate(j.size) // else the next run does it
	}
	if err == nil && j.dirty {
		err = j.toDisk()
	}
	if j.index != nil {
		err = errors.Join(err, j.index.close())
	}
	return errors.Join(err, j.file.Close())
}

// Remove removes the journal, whose answers are no longer needed. It is to be
// closed all the same.
func (j *Journal) Remove() error { return os.Remove(j.file.Name()) }
