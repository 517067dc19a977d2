package main

import (
	"encoding/binary"
	"errors"
	"fmt"

	"gptpipe/pkg/record"
)

// How a result that is packed ended.
const (
	isFailed = 1 << iota
	isPaid
)

// packed is a result as bytes: its line, how it ended and why, and the record.
func packed(r result) []byte {
	out := binary.AppendUvarint(nil, uint64(r.record.Line))
	why := ""
	if r.why != nil {
		why = r.why.Error()
	}
	ending := uint64(0)
	if r.failed {
		ending = isFailed
	}
	if r.paid {
		ending |= isPaid
	}
	out = binary.AppendUvarint(out, ending)
	out = binary.AppendUvarint(out, uint64(len(why)))
	out = append(out, why...)
	return append(out, r.record.Bytes()...)
}

func unpacked(data []byte) (r result, err error) {
	data = append([]byte(nil), data...) // a record holds its bytes
	number := func() uint64 {
		n, size := binary.Uvarint(data)
		if size <= 0 {
			err = errors.New("the folder of the batches is damaged")
			return 0
		}
		data = data[size:]
		return n
	}
	line, ending, length := number(), number(), number()
	if err != nil || length > uint64(len(data)) {
		return r, errors.Join(err, errors.New("the folder of the batches is damaged"))
	}
	if length > 0 {
		r.why = errors.New(string(data[:length]))
	}
	if r.record, err = record.Parse(data[length:]); err != nil {
		return r, fmt.Errorf("the folder of the batches is damaged: %w", err)
	}
	r.record.Line, r.failed, r.paid = int(line), ending&isFailed != 0, ending&isPaid != 0
	return r, nil
}
