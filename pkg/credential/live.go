package credential

import (
	"context"
	"sync"
	"sync/atomic"
)

// A Live is the credential of a process that may run for days: when the server
// refuses the key, the sources are asked again, for it may have been rotated.
// It is safe for concurrent use.
type Live struct {
	query Query
	found func(Key)

	key atomic.Pointer[Key]

	mu     sync.Mutex // held while the sources are asked
	barren string     // a refused secret for which there was no other
}

// Open answers what Find does, and keeps it up to date. found is called with
// each key before it is used, one at a time.
func Open(ctx context.Context, q Query, found func(Key)) (*Live, error) {
	l := &Live{query: q, found: found}
	key, err := Find(ctx, q)
	if err != nil {
		return nil, err
	}
	l.take(key)
	return l, nil
}

func (l *Live) take(k Key) {
	l.found(k)
	l.key.Store(&k)
}

// Key is the key in use.
func (l *Live) Key() Key { return *l.key.Load() }

// Secret is that of the key in use.
func (l *Live) Secret(context.Context) (string, error) { return l.key.Load().Secret, nil }

// Replaced asks the sources again, once for all who were refused with the same
// secret, and reports whether there is another key than that now. One that
// cannot be found any more is no other.
func (l *Live) Replaced(ctx context.Context, refused string) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.key.Load().Secret != refused:
		return true, nil
	case l.barren == refused:
		return false, nil
	}
	key, err := Find(ctx, l.query)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil || key.Secret == refused {
		l.barren = refused
		return false, nil
	}
	l.take(key)
	return true, nil
}
