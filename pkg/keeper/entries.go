package keeper

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/dgraph-io/badger/v4"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
)

// Each value has two entries in the database: the value, and what a listing or a purge must know of it. They stand
// apart, so that to look through all of these does not read all of those.
const (
	valuePrefix   = 'v' // and the key → checksum uint32, expiry int64, value
	aboutPrefix   = 'm' // and the key → stored at int64, size uint64, model
	countersEntry = "c" // → checksum uint32, expiry 0, counters
)

const sealSize = 4 + 8

var (
	errMiss    = errors.New("no such key")
	errDamaged = errors.New("damaged entry")
)

// seal puts in front of a value when it expires, in nanoseconds of the Unix clock or 0, and a checksum over this, its
// key and itself. Badger's own checks have been seen to pass a flipped bit.
func seal(key, value []byte, expiry int64) []byte {
	b := make([]byte, sealSize, sealSize+len(value))
	binary.LittleEndian.PutUint64(b[4:], uint64(expiry))
	b = append(b, value...)
	binary.LittleEndian.PutUint32(b, checksum(key, b[4:]))
	return b
}

func unseal(key, b []byte) (value []byte, expiry int64, err error) {
	if len(b) < sealSize || binary.LittleEndian.Uint32(b) != checksum(key, b[4:]) {
		return nil, 0, errDamaged
	}
	return b[sealSize:], int64(binary.LittleEndian.Uint64(b[4:])), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(key, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, rest)
}

func entryKey(prefix byte, k proto.Key) []byte { return append([]byte{prefix}, k[:]...) }

// get answers a value, or errMiss. Whatever goes wrong is a miss too: the caller can ask the model again.
func (s *store) get(k proto.Key) (value []byte, err error) {
	key := entryKey(valuePrefix, k)
	err = s.use(func(db *badger.DB) error {
		value, err = read(db, key)
		return err
	})
	if err != nil {
		return nil, errMiss
	}
	return value, nil
}

func read(db *badger.DB, key []byte) (value []byte, err error) {
	// Badger panics on some kinds of damage.
	defer func() {
		if p := recover(); p != nil {
			value, err = nil, fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	txn := db.NewTransaction(false)
	defer txn.Discard()
	item, err := txn.Get(key)
	if err != nil {
		return nil, err
	}
	sealed, err := item.ValueCopy(nil)
	if err != nil {
		return nil, err
	}
	value, expiry, err := unseal(key, sealed)
	if err == nil && expiry != 0 && expiry <= time.Now().UnixNano() {
		return nil, errMiss
	}
	return value, err
}

func (s *store) put(p proto.Put) error {
	if err := place.CheckSpace(s.dir, 2*len(p.Value)); err != nil {
		return err
	}
	now := time.Now()
	var expiry int64
	if p.TTL > 0 {
		expiry = now.Add(p.TTL).UnixNano()
	}
	key := entryKey(valuePrefix, p.Key)
	about := binary.LittleEndian.AppendUint64(nil, uint64(now.UnixNano()))
	about = binary.LittleEndian.AppendUint64(about, uint64(len(p.Value)))
	about = append(about, p.Model...)

	value := badger.NewEntry(key, seal(key, p.Value, expiry))
	meta := badger.NewEntry(entryKey(aboutPrefix, p.Key), about)
	if expiry != 0 {
		// Badger counts whole seconds; the expiry in the seal is exact, this one only must not be sooner.
		value.ExpiresAt = uint64(expiry/int64(time.Second)) + 1
		meta.ExpiresAt = value.ExpiresAt
	}
	return s.use(func(db *badger.DB) error {
		return db.Update(func(txn *badger.Txn) error {
			return errors.Join(txn.SetEntry(value), txn.SetEntry(meta))
		})
	})
}

// eachAbout calls fn with what is known of each value.
func eachAbout(db *badger.DB, fn func(k proto.Key, stored time.Time, model string) error) error {
	return db.View(func(txn *badger.Txn) error {
		o := badger.DefaultIteratorOptions
		o.Prefix = []byte{aboutPrefix}
		it := txn.NewIterator(o)
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			key := it.Item().Key()
			err := it.Item().Value(func(b []byte) error {
				if len(key) != 1+len(proto.Key{}) || len(b) < 16 {
					return nil
				}
				stored := time.Unix(0, int64(binary.LittleEndian.Uint64(b)))
				return fn(proto.Key(key[1:]), stored, string(b[16:]))
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *store) count() (n uint64, err error) {
	err = s.use(func(db *badger.DB) error {
		return eachAbout(db, func(proto.Key, time.Time, string) error {
			n++
			return nil
		})
	})
	return n, err
}
