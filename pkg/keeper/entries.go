package keeper

import (
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
)

// Each value has two entries in a database: the value, and what a listing or a purge must know of it. They stand
// apart, so that to look through all of these does not read all of those. A value that was stored again after its
// generation became the older is in both; what the younger says of a key counts, also that it has expired.
const (
	valuePrefix   = 'v' // and the key → the value, sealed
	aboutPrefix   = 'm' // and the key → what is known of it, sealed with the same times
	countersEntry = "c" // → counters, sealed
)

var (
	errMiss    = errors.New("no such key")
	errDamaged = errors.New("damaged entry")
)

func entryKey(prefix byte, k proto.Key) []byte { return append([]byte{prefix}, k[:]...) }

// get answers a value, or errMiss. Whatever goes wrong is a miss too: the caller can ask the model again.
func (s *store) get(k proto.Key) ([]byte, error) {
	e, err := s.read(entryKey(valuePrefix, k))
	if err != nil || !e.valid(time.Now()) {
		return nil, errMiss
	}
	value, err := e.value()
	if err != nil {
		return nil, errMiss
	}
	return value, nil
}

// read answers what the younger database has under a key, else what the older has.
func (s *store) read(key []byte) (e sealed, err error) {
	err = s.use(func(db *badger.DB) error {
		e, err = read(db, key)
		return err
	})
	if !errors.Is(err, badger.ErrKeyNotFound) {
		return e, err
	}
	err = s.useBoth(false, func(_, older *badger.DB) error {
		if older == nil {
			return badger.ErrKeyNotFound
		}
		e, err = read(older, key)
		return err
	})
	return e, err
}

func read(db *badger.DB, key []byte) (e sealed, err error) {
	// Badger panics on some kinds of damage.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	txn := db.NewTransaction(false)
	defer txn.Discard()
	item, err := txn.Get(key)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return e, err
	}
	var b []byte
	if err == nil {
		b, err = item.ValueCopy(nil)
	}
	if err != nil {
		return e, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return unseal(key, b)
}

func (s *store) put(p proto.Put) error {
	e := proto.Entry{Key: p.Key, Stored: time.Now(), Model: p.Model, Value: p.Value}
	if p.TTL > 0 {
		e.Expires = e.Stored.Add(p.TTL)
	}
	return s.write(e)
}

// write stores an entry, in the younger database. Badger is not told when it expires, for the younger must still know
// then that it was there, and Badger gives no disk space back for it.
func (s *store) write(e proto.Entry) error {
	if err := s.checkSpace(2 * len(e.Value)); err != nil {
		return err
	}
	if len(e.Value) > int(s.bound/4) {
		return fmt.Errorf("%w: a value of %d bytes in a cache of %d", place.ErrNoSpace, len(e.Value), s.bound)
	}
	stored, expires := proto.Nanos(e.Stored), proto.Nanos(e.Expires)
	valueKey, aboutKey := entryKey(valuePrefix, e.Key), entryKey(aboutPrefix, e.Key)
	value := seal(valueKey, e.Value, stored, expires)
	about := seal(aboutKey, encodeAbout(len(e.Value), e.Model), stored, expires)
	if s.memory != "" && len(value) >= memoryValue {
		return fmt.Errorf("%w: a value of %d bytes in memory", place.ErrNoSpace, len(value))
	}
	err := s.useToWrite(func(db *badger.DB) error {
		err := s.inTime(putPatience, func() error {
			return db.Update(func(txn *badger.Txn) error {
				return errors.Join(txn.Set(valueKey, value), txn.Set(aboutKey, about))
			})
		})
		if err == nil {
			s.younger.held.Add(int64(len(value) + len(about)))
		}
		return err
	})
	if err == nil {
		s.grow(len(value) + len(about))
	}
	return err
}

// state reads what keep has stored under a key.
func (s *store) state(key string) ([]byte, error) {
	e, err := s.read([]byte(key))
	if err != nil {
		return nil, err
	}
	return e.value()
}

func (s *store) storeState(db *badger.DB, key string, state []byte) error {
	b := seal([]byte(key), state, time.Now().UnixNano(), 0)
	if s.memory != "" && len(b) >= memoryValue {
		return nil // as long as the keeper lives, so does what it is made of
	}
	return s.inTime(putPatience, func() error {
		return db.Update(func(txn *badger.Txn) error { return txn.Set([]byte(key), b) })
	})
}
