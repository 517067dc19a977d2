package keeper

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A sealed entry is
//
//	checksum uint32   over its key and all that follows: Badger's own checks have been seen to pass a flipped bit, and
//	                  a damaged value log to give empty values
//	how      byte     the rest is compressed
//	stored   int64    in nanoseconds of the Unix clock
//	expires  int64    the same; 0: never
//	data     …
const sealSize = 4 + 1 + 8 + 8

// ahead is how far in the future an entry may have been stored. A clock that is put right leaves some there; one stored
// further ahead is taken for expired, since nobody knows how old it is.
const ahead = 24 * time.Hour

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type sealed struct {
	how             byte
	stored, expires int64
	data            []byte
}

func seal(key, value []byte, stored, expires int64) []byte {
	b := make([]byte, sealSize, sealSize+len(value))
	b, b[4] = compress(b, value)
	binary.LittleEndian.PutUint64(b[5:], uint64(stored))
	binary.LittleEndian.PutUint64(b[13:], uint64(expires))
	binary.LittleEndian.PutUint32(b, checksum(key, b[4:]))
	return b
}

func unseal(key, b []byte) (sealed, error) {
	if len(b) < sealSize || binary.LittleEndian.Uint32(b) != checksum(key, b[4:]) {
		return sealed{}, errDamaged
	}
	return sealed{
		how:     b[4],
		stored:  int64(binary.LittleEndian.Uint64(b[5:])),
		expires: int64(binary.LittleEndian.Uint64(b[13:])),
		data:    b[sealSize:],
	}, nil
}

func checksum(key, rest []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, rest)
}

// valid says whether an entry has not expired.
func (e sealed) valid(now time.Time) bool {
	n := now.UnixNano()
	return (e.expires == 0 || e.expires > n) && e.stored <= n+int64(ahead)
}

func (e sealed) value() ([]byte, error) { return decompress(e.how, e.data) }
