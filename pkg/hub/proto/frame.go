// Package proto is the language that clients of the hub and its keeper speak over a unix socket.
//
// A connection is two streams of frames, one each way. A frame is
//
//	length uint32   of all that follows
//	code   byte     a request's operation, or a reply's status
//	id     uint64   a reply carries the id of its request
//	body   …        one of the messages of this package
//
// with numbers in little-endian order. The first frame each way is a [Hello]. Requests may be sent without waiting for
// the replies of earlier ones, and replies come in any order. A frame that is longer than [MaxFrame], or a request
// whose body cannot be read, ends the connection: there is no way to find the next frame in a stream that is out of
// step. An operation that the keeper does not know is answered by [Unknown] and the connection goes on, so that
// operations can be added without a new [Version].
package proto

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The bounds of messages, in bytes.
const (
	MaxValue   = 64 << 20          // the largest cached value
	MaxFrame   = MaxValue + 64<<10 // what a frame's length field may say
	MaxHello   = headerSize + 1024 // the same of the first frame, so that garbage costs nothing
	MaxNotice  = 900               // the longest notice in it
	MaxModel   = 1 << 10           // the longest model name
	headerSize = 1 + 8             // code and id
)

// The operations that a request can name. Those from 8 on are with their messages.
const (
	OpHello  byte = iota
	OpGet         // body: the key
	OpPut         // body: Put
	OpAdd         // body: Add; answered by Counts
	OpTotals      // answered by Counts
	OpStats       // body: none, or Brief; answered by Stats
	OpPurge       // body: Purge; answered by a Count
	OpStop        // the keeper answers, finishes what was asked before, and leaves
)

// The statuses of a reply. The body of all but OK and Miss is a text for people.
const (
	OK      byte = iota
	Miss         // no such key
	Failed       // the operation was understood and failed
	NoSpace      // the disk is too full to store
	Unknown      // the keeper does not know this operation
)

// A Frame is one message with its envelope.
type Frame struct {
	Code byte
	ID   uint64
	Body []byte
}

// ErrFrame says that what was read is no frame.
var ErrFrame = errors.New("not a frame of the gptpipe protocol")

// Read reads one frame of at most limit bytes. At the end of the stream, between frames, it returns io.EOF.
func Read(r *bufio.Reader, limit int) (Frame, error) {
	var head [4 + headerSize]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil {
		return Frame{}, err
	}
	n := int(binary.LittleEndian.Uint32(head[:4]))
	if n < headerSize || n > limit {
		return Frame{}, fmt.Errorf("%w: length %d", ErrFrame, n)
	}
	if _, err := io.ReadFull(r, head[4:]); err != nil {
		return Frame{}, noEOF(err)
	}
	body, err := readBody(r, n-headerSize)
	if err != nil {
		return Frame{}, noEOF(err)
	}
	return Frame{Code: head[4], ID: binary.LittleEndian.Uint64(head[5:]), Body: body}, nil
}

// readBody takes memory for what has come, not for what a length field promises.
func readBody(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	body := make([]byte, min(n, step))
	for have := 0; ; {
		m, err := io.ReadFull(r, body[have:])
		if have += m; err != nil || have == n {
			return body, err
		}
		grown := make([]byte, min(n, 2*have))
		copy(grown, body)
		body = grown
	}
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Write writes one frame.
func Write(w *bufio.Writer, f Frame) error {
	var head [4 + headerSize]byte
	binary.LittleEndian.PutUint32(head[:], uint32(headerSize+len(f.Body)))
	head[4] = f.Code
	binary.LittleEndian.PutUint64(head[5:], f.ID)
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	_, err := w.Write(f.Body)
	return err
}

// WriteAll writes the frames of a channel until it or done is closed, or w fails. Frames that stand ready together
// go out in one write.
func WriteAll(w io.Writer, frames <-chan Frame, done <-chan struct{}) error {
	bw := bufio.NewWriterSize(w, 64<<10)
	for {
		select {
		case f, ok := <-frames:
			if !ok {
				return bw.Flush()
			}
			if err := Write(bw, f); err != nil {
				return err
			}
		case <-done:
			return nil
		}
		if len(frames) > 0 {
			continue
		}
		if err := bw.Flush(); err != nil {
			return err
		}
	}
}
