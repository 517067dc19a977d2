package keeper

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"syscall"
)

// slots are a file of records of one size, which the next keeper reads. Each is written in place and not synced, which
// takes some microseconds: what the system has been given survives the keeper's end, however it ends. The size divides
// that of a page, so that the system never takes a part of a record.
//
// What cannot be written is not remembered, and nothing else depends on it.
type slots struct {
	path string
	size int
	file *os.File // nil: not written yet
	used []bool
}

// readSlots reads the records into record, one by one, and has keep judge each. What is damaged, or not kept, leaves
// its slot free.
func readSlots(path string, size int, record any, keep func(slot int) bool) *slots {
	s := &slots{path: path, size: size}
	b, err := os.ReadFile(path)
	if err != nil {
		return s
	}
	for slot := 0; len(b) >= size; slot++ {
		s.used = append(s.used, unpack(b[:size], record) && keep(slot))
		b = b[size:]
	}
	return s
}

// write puts a record into a slot, or with -1 into a free one, and answers which.
func (s *slots) write(slot int, record any) int {
	if slot < 0 {
		slot = s.take()
	}
	s.writeAt(slot, pack(record, s.size))
	return slot
}

func (s *slots) free(slot int) {
	if slot >= 0 {
		s.used[slot] = false
		s.writeAt(slot, make([]byte, s.size))
	}
}

func (s *slots) take() int {
	for slot, used := range s.used {
		if !used {
			s.used[slot] = true
			return slot
		}
	}
	s.used = append(s.used, true)
	return len(s.used) - 1
}

func (s *slots) writeAt(slot int, b []byte) {
	if s.file == nil {
		f, err := os.OpenFile(s.path, os.O_WRONLY|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
		if err != nil {
			return
		}
		s.file = f
	}
	s.file.WriteAt(b, int64(slot)*int64(s.size))
}

func (s *slots) close() { s.file.Close() }

// pack puts a checksum in front of a record, which is of a fixed size.
func pack(record any, size int) []byte {
	b, err := binary.Append(make([]byte, 4, size), binary.LittleEndian, record)
	if err != nil {
		panic(err)
	}
	b = b[:size]
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	return b
}

func unpack(b []byte, record any) bool {
	if crc32.Checksum(b[4:], castagnoli) != binary.LittleEndian.Uint32(b) {
		return false
	}
	_, err := binary.Decode(b[4:], binary.LittleEndian, record)
	return err == nil
}
