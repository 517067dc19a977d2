package keeper

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// errStuck says that Badger did not come back. What it cannot write to disk it tries again for ever, and all that puts,
// closes or drops waits for that.
var errStuck = errors.New("the database takes no writes")

// How long Badger may take, in seconds during which the process ran. A put takes some ten microseconds, the others some
// milliseconds, but they may have to wait for a slow disk.
const (
	putPatience     = 5
	patience        = 60
	compactPatience = 600
)

// inTime answers what fn does. If fn does not return in time, or Badger says meanwhile that it cannot write, the store
// is given up. What fn sets may be read only if the error is not the store's errStuck.
func (s *store) inTime(seconds int, fn func() error) error {
	done := make(chan error, 1)
	go func() { done <- fn() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			why := s.trouble.now()
			if seconds--; seconds <= 0 || why != nil && s.trouble.lasts() {
				return s.giveUp(cmp.Or(why, errStuck))
			}
		}
	}
}

// giveUp has the keeper leave without closing the databases, which are as after a kill then. Those who read may not come
// back either: Badger has them wait for the writes that came before.
func (s *store) giveUp(err error) error {
	if s.lost.CompareAndSwap(nil, &err) {
		s.unclosed.Store(true)
		if !errors.Is(err, errRemoved) { // for which the database is not to blame
			s.crashes.stuck(err.Error())
		}
		s.leave()
	}
	return *s.lost.Load()
}

// given answers why the store was given up, or nil.
func (s *store) given() error {
	if err := s.lost.Load(); err != nil {
		return *err
	}
	return nil
}

// trouble is what Badger says of tables that it could not write. It is Badger's logger, since it tells nobody else.
type trouble struct {
	mu          sync.Mutex
	first, last time.Time // of those in a row
	text        string
}

// again is more than Badger waits before it tries again.
const again = 3 * time.Second

func (t *trouble) Errorf(format string, args ...any) {
	if !strings.HasPrefix(format, "error flushing memtable") {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Sub(t.last) > again {
		t.first = now
	}
	t.last = now
	t.text, _, _ = strings.Cut(fmt.Sprintf(format, args...), "\n")
}

func (*trouble) Warningf(string, ...any) {}
func (*trouble) Infof(string, ...any)    {}
func (*trouble) Debugf(string, ...any)   {}

// now answers errStuck and Badger's words if the last table could not be written.
func (t *trouble) now() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if time.Since(t.last) > again {
		return nil
	}
	return fmt.Errorf("%w: %s", errStuck, t.text)
}

// lasts says whether it has been tried more than once or twice.
func (t *trouble) lasts() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last.Sub(t.first) >= again/2
}
