// Package keeper is the process that owns what package hub shares: it holds the Badger database of a cache folder, which
// lets one process in, and serves it to the others over a unix socket. Only gpt-cache links it.
//
//	owner's lock ──▶ database open ──▶ socket ──▶ serving ◀──── a user comes
//	                                                │  ▲              │
//	                                  the last leaves  └── within Linger
//	                                                ▼
//	              a signal, Stop, or Linger over ──▶ leaving: no new users, what was asked is answered,
//	                                                counters stored, database closed, connections closed
//
// While nobody asks for anything the database is closed, see store, so that an idle keeper makes no system calls.
//
// A keeper may be killed at any moment. Entries that were acknowledged are in Badger's logs, which are mapped files and
// outlive it; counters lose at most what came in the last two seconds. A database that can no more be opened, or has
// crashed keepers, is moved aside, see broken.go and crash.go. On a network file system all is in memory, see
// place.Base. One whose folder was removed leaves as soon as it has to do with files, and its users start another. On a
// full disk values are read and not stored, see full.go. A database that takes no writes for some
// seconds has the keeper leave, and the next one tries again, see stuck.go.
//
// Who has which lease, and how far each rate budget has been used, stands in two small files before anybody is told, see
// slots. A new keeper begins with that, and for its first second leases and limits stay those of the last one's users,
// who come back; after that it drops those of the users who did not.
package keeper

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"gptpipe/pkg/hub/place"
)

// Config says what a keeper serves, and how long.
type Config struct {
	// Dir is the cache folder. It is made, mode 0700, when it is missing.
	Dir string
	// RuntimeDir is $XDG_RUNTIME_DIR, or "": a place for the socket if Dir does not do.
	RuntimeDir string
	// Linger is how long the keeper outlives its last user. 0: not at all. Less than 0: it stays.
	Linger time.Duration
	// CacheSize bounds the disk space of the values, in bytes: at least MinSize; 0 is DefaultSize. What was stored least
	// recently goes first.
	CacheSize int64
	// Listener is a socket that the keeper was given, to be used instead of one of its own, or nil.
	Listener *net.UnixListener
	// Ready is called once clients can connect. It may be nil.
	Ready func()
}

// ErrBusy says that another keeper has the folder.
var ErrBusy = errors.New("another keeper serves this folder")

const (
	ownerTimeout = 3 * time.Second // for the keeper before to close its database
	firstUser    = 5 * time.Second // for the first user to come, if Linger is shorter
	drainTimeout = 2 * time.Second // for users to take their replies when the keeper leaves
	leaveTimeout = 8 * time.Second // for all that it has to do then
)

type keeper struct {
	store    *store
	counters *counters
	leases   *leases
	budgets  *budgets
	linger   time.Duration

	mu      sync.Mutex
	users   map[*net.UnixConn]bool
	timer   *time.Timer   // runs while there are no users
	leaving chan struct{} // closed when the keeper is to leave
	gone    bool          // leaving is closed

	draining sync.WaitGroup // connections with requests unanswered
	open     sync.WaitGroup // connections
	closed   chan struct{}  // closed once the database is
}

// Serve serves the cache folder until ctx ends, a client stops it, or its last user has been gone for c.Linger. These
// are no errors. It returns ErrBusy if another keeper has the folder, place.ErrForeign or place.ErrShared if the folder
// is not the user's own, and the errors of the file system and of Badger.
//
// The process must end when Serve has returned. If the database could not be closed, because the disk is full or Badger
// does not come back, that is what gives the folder to the next keeper.
func Serve(ctx context.Context, c Config) error {
	folder, err := place.Resolve(c.Dir)
	if err != nil {
		return err
	}
	dir, network, err := place.Base(folder)
	if err != nil {
		return err
	}
	if err := place.Prepare(dir); err != nil {
		return err
	}
	lock, err := own(ctx, dir)
	if err != nil {
		return err
	}
	k := &keeper{
		linger:  c.Linger,
		users:   make(map[*net.UnixConn]bool),
		leaving: make(chan struct{}),
		closed:  make(chan struct{}),
	}
	k.store = newStore(dir, cmp.Or(c.CacheSize, DefaultSize), network)
	k.store.leave = k.leave
	k.store.owned = func() bool { return !lock.Removed(dir, place.OwnerLock) }
	defer func() {
		if !k.store.unclosed.Load() { // else the next keeper has to wait for the end of this process
			lock.Unlock()
		}
	}()
	k.counters = newCounters(k.store)
	k.leases, k.budgets = newLeases(dir, k.counters.lookup), newBudgets(dir)
	defer k.leases.close()
	defer k.budgets.close()
	serving := false
	defer func() {
		if !serving {
			k.store.close()
		}
	}()
	if err := k.store.open(); err != nil {
		return err
	}
	if err := k.counters.load(); err != nil {
		return err
	}
	k.store.bind()
	listener, err := listen(dir, c)
	if err != nil {
		return fmt.Errorf("no place for a socket: %w", err)
	}
	unlisten := sync.OnceValue(listener.Close) // the file's number may be another's soon after
	defer unlisten()
	grace := time.AfterFunc(graceTime, k.inherited)
	defer grace.Stop()

	k.timer = time.AfterFunc(max(c.Linger, firstUser), k.leaveUnused)
	if c.Linger < 0 {
		k.timer.Stop()
	}
	stop := context.AfterFunc(ctx, k.leave)
	defer stop()
	go k.accept(listener)
	if c.Ready != nil {
		c.Ready()
	}
	serving = true
	<-k.leaving

	// Users learn that the keeper has left by the end of their connection. It comes when the database is closed, and
	// not before: the next keeper, which they start then, would have to wait for that.
	listener.UnixListener.Close()
	k.leases.stop()
	k.budgets.stop()
	return k.end(func() { unlisten() })
}

func listen(dir string, c Config) (*place.Listener, error) {
	if c.Listener != nil {
		return place.Adopt(dir, c.Listener)
	}
	return place.Listen(dir, c.RuntimeDir)
}

// own takes the owner's lock. The keeper before may hold it a little longer than its socket answers.
func own(ctx context.Context, dir string) (*place.Lock, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, ownerTimeout, fmt.Errorf("%s: %w", dir, ErrBusy))
	defer cancel()
	type result struct {
		lock *place.Lock
		err  error
	}
	got := make(chan result, 1)
	go func() {
		lock, err := place.WaitLock(dir, place.OwnerLock)
		got <- result{lock, err}
	}()
	select {
	case r := <-got:
		return r.lock, r.err
	case <-ctx.Done():
		go func() {
			if r := <-got; r.lock != nil {
				r.lock.Unlock()
			}
		}()
		return nil, context.Cause(ctx)
	}
}

func (k *keeper) accept(l *place.Listener) {
	for {
		conn, err := l.AcceptUnix()
		switch {
		case err == nil:
			go k.serve(conn)
		case errors.Is(err, net.ErrClosed):
			return
		default: // no descriptors left, most likely; users that leave give some back
			time.Sleep(100 * time.Millisecond)
		}
	}
}
