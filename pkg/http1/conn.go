package http1

import (
	"bufio"
	"errors"
	"io"
	"net"
	"syscall"
)

var errHeader = errors.New("the header of the answer is too large")

// A conn is one connection.
type conn struct {
	net   net.Conn
	in    *bufio.Reader
	out   []byte
	limit int  // bytes that may still be read, if it is not negative
	ended bool // the server will say no more
}

func newConn(nc net.Conn) *conn {
	c := &conn{net: nc, limit: -1}
	c.in = bufio.NewReader((*limited)(c))
	return c
}

// limited reads from the connection within its limit.
type limited conn

func (l *limited) Read(p []byte) (int, error) {
	if l.limit == 0 {
		return 0, errHeader
	}
	if l.limit > 0 {
		p = p[:min(len(p), l.limit)]
	}
	n, err := l.net.Read(p)
	if l.limit > 0 {
		l.limit -= n
	}
	l.ended = err == io.EOF
	return n, err
}

// alive reports whether a kept connection can take a request, as far as this
// side knows: the server has neither closed it nor said anything unasked, which
// would pass for the answer to the next request.
func (c *conn) alive() bool {
	s, ok := c.net.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	var n int
	var peekErr error
	if err := raw.Read(func(fd uintptr) bool {
		var one [1]byte
		n, _, peekErr = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	}); err != nil {
		return false
	}
	return n <= 0 && errors.Is(peekErr, syscall.EAGAIN)
}
