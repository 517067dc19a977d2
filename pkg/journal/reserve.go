package journal

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// A reserve is the room on the disk that is kept for the answers to requests in
// flight: room that is the journal's own, and not of its length. A request is
// not sent before there is room for its answer too, as large as the first are
// taken to be, and when some are known as the largest of late was and half as
// much again. So as the disk fills up fewer are in flight, and at last none.
//
// What can still be lost: of the answers in flight, those that come when they
// have taken more together than was kept for them, the disk has nothing left
// and what Rescue gives up is used up too. That is so where a disk is small and
// the first ones are larger than they were taken to be. And where the file
// system gives no room in advance, as some over a network, nothing is kept.
type reserve struct {
	file   *os.File
	first  int64  // bytes for an answer before any is known; 0: no room is kept
	scarce func() // is called once, when a request has to wait for room

	turn  chan struct{} // held by the one request that waits for freed
	freed chan struct{} // there may be more room than there was

	mu        sync.Mutex
	size      int64 // of the journal: whole lines
	allocated int64 // up to here, the disk has room
	flying    int64
	largest   int64 // line of those of late
	lately    int64 // of those that were noted since it was last looked at
	noted     int   // lines
	answers   int   // of them, in this run
}

const (
	// enough answers have been seen to go by their size; no less than least is kept for one then, in bytes.
	enough = 64
	least  = 16 << 10

	// late is how many answers the largest of late is one of, or up to twice as many.
	late = 1024

	// mostAhead is how much room is taken at once beyond what is needed, in bytes, so that it is not asked for with each
	// request.
	mostAhead = 4 << 20
)

// A FullError says that there is no room for a further answer, on the disk or in a file as long as it may be.
type FullError struct {
	Dir  string
	Need int64 // bytes that the answer may take
	Err  error
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%s has no room for a further answer, which may take %d KiB: %v", e.Dir, e.Need>>10, e.Err)
}

func (e *FullError) Unwrap() error { return e.Err }

func newReserve(f *os.File, first int64) *reserve {
	return &reserve{file: f, first: first, turn: make(chan struct{}, 1), freed: make(chan struct{}, 1)}
}

// begin begins where the whole lines of the journal end, and finds out whether room can be had in advance. If not, what
// the disk says to have left is not to be trusted either: some file systems say nothing.
func (r *reserve) begin(size int64) {
	r.size, r.allocated = size, size
	if r.first > 0 {
		_ = r.extend(1) // a disk that is full is told of when a request is to be sent
	}
}

// take takes room for the answer to a request, until it is given back. While there is none it waits for those in flight,
// which may take less than was kept for them. If there are none, its error is a *FullError.
func (r *reserve) take(ctx context.Context) error {
	if _, err := r.try(); err == nil {
		return nil
	}
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-r.turn }()
	for {
		last, err := r.try()
		if err == nil || last {
			return err
		}
		if r.scarce != nil {
			r.scarce()
			r.scarce = nil
		}
		select {
		case <-r.freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// try takes room if there is some, or says whether none is to come.
func (r *reserve) try() (last bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first > 0 {
		err = r.allocate()
	}
	if err == nil {
		r.flying++
	}
	return r.flying == 0, err
}

func (r *reserve) give() {
	r.mu.Lock()
	r.flying--
	r.mu.Unlock()
	select {
	case r.freed <- struct{}{}:
	default:
	}
}

// wrote notes a line that ends at size.
func (r *reserve) wrote(line int, size int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size = size
	r.answers++
	r.note(int64(line))
}

func (r *reserve) note(line int64) {
	r.lately = max(r.lately, line)
	r.largest = max(r.largest, line)
	if r.noted++; r.noted%late == 0 {
		r.largest, r.lately = r.lately, 0
	}
}

// each is how much is kept for an answer.
func (r *reserve) each() int64 {
	known := r.largest + r.largest/2
	if r.answers < enough {
		return max(r.first, known)
	}
	return max(least, known)
}

// allocate sees to it that the journal has room for the answers to the requests in flight and to one more. It leaves as
// much on the disk, where the same answers go into the output.
func (r *reserve) allocate() error {
	each := r.each()
	need := (r.flying + 1) * each
	full := func(err error) error { return &FullError{filepath.Dir(r.file.Name()), each, err} }
	switch {
	case r.size+need > longest():
		return full(unix.EFBIG)
	case r.size+need <= r.allocated:
		return nil
	}
	free := free(r.file)
	ahead := min(need, mostAhead)
	more := r.size + need - r.allocated
	switch {
	case need+more+2*ahead <= free && r.extend(more+ahead) == nil: // be there no room for it, by a quota or for so long a file, there may be without
		return nil
	case need+more > free:
		return full(unix.ENOSPC)
	}
	if err := r.extend(more); err != nil {
		return full(err)
	}
	return nil
}

// extend gives the file so much more of the disk. Its error says that the disk has not so much.
func (r *reserve) extend(more int64) error {
	err := error(unix.EINTR)
	for errors.Is(err, unix.EINTR) {
		err = unix.Fallocate(int(r.file.Fd()), unix.FALLOC_FL_KEEP_SIZE, r.allocated, more)
	}
	switch {
	case err == nil:
		r.allocated += more
	case Full(err):
		return err
	default:
		r.first = 0 // it cannot
	}
	return nil
}

// free is how many bytes the disk of a file has left; where it does not say, as many as there can be.
func free(f *os.File) int64 {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil || fs.Blocks == 0 || fs.Bavail > uint64(math.MaxInt64/int64(fs.Bsize)) {
		return math.MaxInt64
	}
	return int64(fs.Bavail) * int64(fs.Bsize)
}

// Full reports whether an error says that there is no more room, on the disk or for a file of its size.
func Full(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG)
}

// longest is how long a file of this process may be, in bytes, which allocating does not keep to.
var longest = sync.OnceValue(func() int64 {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil || limit.Cur > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(limit.Cur)
})

// SyncDir has the names in a directory reach the disk.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
