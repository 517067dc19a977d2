package batch

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// What an item of the order is.
const (
	notAsked = iota
	asked
	tooLarge
)

// An item is a request in its place in the order.
type item struct {
	what byte
	sum  sum
	data []byte
}

// order keeps the order of the requests, and the caller's data, in a file
// without a name: it is written once and then read once.
type order struct {
	file *os.File
	out  *bufio.Writer
	in   *bufio.Reader
	data []byte
}

func newOrder(dir string) (*order, error) {
	f, err := os.CreateTemp(dir, "order-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	return &order{file: f, out: bufio.NewWriterSize(f, 256<<10)}, nil
}

func (o *order) write(it item) error {
	var head [1 + len(sum{}) + binary.MaxVarintLen64]byte
	head[0] = it.what
	copy(head[1:], it.sum[:])
	n := binary.PutUvarint(head[1+len(sum{}):], uint64(len(it.data)))
	o.out.Write(head[:1+len(sum{})+n]) // an error stays
	_, err := o.out.Write(it.data)
	return err
}

// rewind ends the writing and begins the reading.
func (o *order) rewind() error {
	if err := o.out.Flush(); err != nil {
		return err
	}
	_, err := o.file.Seek(0, io.SeekStart)
	o.in = bufio.NewReaderSize(o.file, 256<<10)
	return err
}

// read returns the next item, whose data is valid until the one after it; at
// the end, io.EOF.
func (o *order) read() (item, error) {
	var it item
	what, err := o.in.ReadByte()
	if err != nil {
		return it, err
	}
	it.what = what
	if _, err := io.ReadFull(o.in, it.sum[:]); err != nil {
		return it, broken(err)
	}
	n, err := binary.ReadUvarint(o.in)
	if err != nil {
		return it, broken(err)
	}
	if uint64(cap(o.data)) < n {
		o.data = make([]byte, n)
	}
	it.data = o.data[:n]
	if _, err := io.ReadFull(o.in, it.data); err != nil {
		return it, broken(err)
	}
	return it, nil
}

// broken is an end where there should be none.
func broken(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (o *order) close() error { return o.file.Close() }
