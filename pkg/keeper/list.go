package keeper

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/proto"
)

// about is what is known of a value.
type about struct {
	proto.Entry
	younger, older bool // which generations have an entry under the key; what is known is the younger's word
}

func encodeAbout(size int, model string) []byte {
	return append(binary.AppendUvarint(nil, uint64(size)), model...)
}

var errEnough = errors.New("enough")

// each calls fn with what is known of each value that has not expired, from a key on and in the order of keys, until fn
// returns an error, of which errEnough is none. One of the databases may be nil.
func each(younger, older *badger.DB, from proto.Key, fn func(about) error) (err error) {
	// As when reading a value.
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	now := time.Now()
	y, o := newCursor(younger, from), newCursor(older, from)
	defer y.close()
	defer o.close()
	for !y.end || !o.end {
		first, order := y, y.compare(o)
		if order > 0 {
			first = o
		}
		a, valid := about{first.entry, order <= 0, order >= 0}, first.valid(now)
		if order <= 0 {
			y.next()
		}
		if order >= 0 {
			o.next()
		}
		if !valid {
			continue
		}
		if err := fn(a); errors.Is(err, errEnough) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// A cursor goes through what one database knows of its values.
type cursor struct {
	txn *badger.Txn
	it  *badger.Iterator
	end bool
	sealed
	entry proto.Entry
}

// newCursor stands at the first that is not below from.
func newCursor(db *badger.DB, from proto.Key) *cursor {
	if db == nil {
		return &cursor{end: true}
	}
	o := badger.DefaultIteratorOptions
	o.Prefix = []byte{aboutPrefix}
	c := &cursor{txn: db.NewTransaction(false)}
	c.it = c.txn.NewIterator(o)
	c.it.Seek(entryKey(aboutPrefix, from))
	c.read()
	return c
}

func (c *cursor) next() {
	c.it.Next()
	c.read()
}

// read takes in what the iterator stands at, and passes over what is damaged.
func (c *cursor) read() {
	for ; c.it.Valid(); c.it.Next() {
		key := c.it.Item().Key()
		err := c.it.Item().Value(func(b []byte) (err error) {
			if c.sealed, err = unseal(key, b); err != nil {
				return err
			}
			data, err := c.value()
			size, n := binary.Uvarint(data)
			if err != nil || n <= 0 || len(key) != 1+len(c.entry.Key) {
				return errDamaged
			}
			c.entry = proto.Entry{
				Key:     proto.Key(key[1:]),
				Stored:  proto.Time(c.stored),
				Expires: proto.Time(c.expires),
				Size:    size,
				Model:   string(data[n:]),
			}
			return nil
		})
		if err == nil {
			return
		}
	}
	c.end = true
}

// compare is less than 0 if c stands before o, and 0 if both stand at the same key.
func (c *cursor) compare(o *cursor) int {
	switch {
	case o.end:
		return -1
	case c.end:
		return 1
	}
	return bytes.Compare(c.entry.Key[:], o.entry.Key[:])
}

func (c *cursor) close() {
	if c.txn != nil {
		c.it.Close()
		c.txn.Discard()
	}
}

// list answers a part of a listing.
func (s *store) list(l proto.List) (part proto.Entries, err error) {
	most := int(l.Max)
	if l.Max == 0 || l.Max > proto.MaxEntries {
		most = proto.MaxEntries
	}
	bytes := 0
	err = s.useBoth(false, func(younger, older *badger.DB) error {
		return each(younger, older, l.From, func(a about) error {
			if len(part.List) == most || bytes >= proto.MaxListed {
				part.More, part.Next = true, a.Key
				return errEnough
			}
			if l.Values {
				db := older
				if a.younger {
					db = younger
				}
				e, err := read(db, entryKey(valuePrefix, a.Key))
				if err == nil {
					a.Value, err = e.value()
				}
				if err != nil {
					return nil // as good as not there
				}
				if bytes += len(a.Value); bytes > proto.MaxListed && len(part.List) > 0 {
					part.More, part.Next = true, a.Key
					return errEnough
				}
			}
			part.List = append(part.List, a.Entry)
			return nil
		})
	})
	return part, err
}

func (s *store) count() (n uint64, err error) {
	s.long.RLock()
	defer s.long.RUnlock()
	err = s.useBoth(false, func(younger, older *badger.DB) error {
		return each(younger, older, proto.Key{}, func(about) error {
			n++
			return nil
		})
	})
	return n, err
}

// bring stores an entry as of its own time, unless it has expired or what is there is not older.
func (s *store) bring(e proto.Entry) (bool, error) {
	now := time.Now()
	if !e.Expires.IsZero() && !e.Expires.After(now) || e.Stored.After(now.Add(ahead)) {
		return false, nil
	}
	have, err := s.read(entryKey(valuePrefix, e.Key))
	if err == nil && have.valid(now) && have.stored >= proto.Nanos(e.Stored) {
		return false, nil
	}
	if err := s.write(e); err != nil {
		return false, err
	}
	return true, nil
}
