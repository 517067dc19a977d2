package hub

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
	"gptpipe/pkg/panics"
)

// A link is one connection. Many callers use it at once: a writer sends their requests together, a reader hands each
// reply to the caller whose id it carries.
type link struct {
	conn   net.Conn
	notice string                   // what the keeper has to tell the user
	told   func(*link, proto.Frame) // takes what comes unasked
	out    chan proto.Frame
	down   chan struct{} // closed once the link is of no more use

	mu      sync.Mutex
	err     error // why it is down
	last    uint64
	waiting map[uint64]chan<- proto.Frame
	backlog []proto.Frame // posted when out was full; while there is one, a goroutine sends it
}

// dial connects to the keeper of a cache folder, if there is one. A permanent error says that there is one, and that
// it will not do; one that is ErrVersion and not permanent, that it can be replaced.
func dial(ctx context.Context, dir string, session [16]byte, told func(*link, proto.Frame)) (*link, error) {
	conn, r, hello, err := reach(ctx, dir, session)
	if err == nil {
		err = compare(hello)
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	if err != nil {
		if conn != nil {
			conn.Close()
		}
		return nil, err
	}
	return newLink(conn, r, hello.Notice, told), nil
}

func newLink(conn net.Conn, r *bufio.Reader, notice string, told func(*link, proto.Frame)) *link {
	l := &link{
		conn:    conn,
		notice:  notice,
		told:    told,
		out:     make(chan proto.Frame, 64),
		down:    make(chan struct{}),
		waiting: make(map[uint64]chan<- proto.Frame),
	}
	panics.Go(func() { l.read(r) })
	panics.Go(func() {
		if proto.WriteAll(conn, l.out, l.down) != nil {
			l.fail(ErrLost)
		}
	})
	return l
}

// reach connects to the keeper of a cache folder, of whatever version, and exchanges hellos with it. A deadline stays
// set.
func reach(ctx context.Context, dir string, session [16]byte) (*net.UnixConn, *bufio.Reader, proto.Hello, error) {
	path, err := place.Socket(dir)
	if err != nil {
		return nil, nil, proto.Hello{}, err
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, nil, proto.Hello{}, err
	}
	conn := c.(*net.UnixConn)
	r := bufio.NewReaderSize(conn, 64<<10)
	hello, err := greet(ctx, conn, r, session)
	if err != nil {
		conn.Close()
		return nil, nil, proto.Hello{}, err
	}
	return conn, r, hello, nil
}

// greet exchanges hellos.
func greet(ctx context.Context, conn *net.UnixConn, r *bufio.Reader, session [16]byte) (proto.Hello, error) {
	var none proto.Hello
	if err := place.CheckListener(conn); err != nil {
		return none, permanent(err)
	}
	stop := context.AfterFunc(ctx, panics.Func(func() { conn.SetDeadline(time.Now()) }))
	defer stop()
	conn.SetDeadline(time.Now().Add(helloTimeout))

	w := bufio.NewWriter(conn)
	mine := proto.Hello{Version: proto.Version, Session: session}
	proto.Write(w, proto.Frame{Code: proto.OpHello, Body: mine.Append(nil)})
	if err := w.Flush(); err != nil {
		return none, err
	}
	f, err := proto.Read(r, proto.MaxHello)
	var timeout net.Error
	if ctx.Err() == nil && errors.As(err, &timeout) && timeout.Timeout() {
		return none, passing(ErrSilent)
	}
	if err != nil {
		return none, err
	}
	hello, err := proto.ParseHello(f.Body)
	if err != nil {
		return none, permanent(fmt.Errorf("what answers is no keeper: %w", err))
	}
	if !stop() {
		return none, context.Cause(ctx)
	}
	return hello, nil
}

func (l *link) read(r *bufio.Reader) {
	for {
		f, err := proto.Read(r, proto.MaxFrame)
		if err != nil {
			l.fail(ErrLost)
			return
		}
		l.mu.Lock()
		reply := l.waiting[f.ID]
		delete(l.waiting, f.ID)
		l.mu.Unlock()
		switch {
		case reply != nil:
			reply <- f // has room for the one reply
		case f.ID == 0:
			l.told(l, f)
		}
	}
}

// fail ends the link: what waits for a reply is told, and nothing new is taken.
func (l *link) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		close(l.down)
		l.conn.Close()
	}
}

func (l *link) broken() bool {
	select {
	case <-l.down:
		return true
	default:
		return false
	}
}

// call fails with ErrSilent when limit, if it is not 0, has passed, and the link with it: a keeper that is stopped
// would hold up every call for that long.
func (l *link) call(ctx context.Context, limit time.Duration, op byte, body []byte) (proto.Frame, error) {
	id, reply := l.expect()
	var late <-chan time.Time
	if limit > 0 {
		late = time.After(limit)
	}
	out := l.out
	for {
		select {
		case out <- proto.Frame{Code: op, ID: id, Body: body}:
			out = nil
		case f := <-reply:
			return f, nil
		case <-l.down:
			select {
			case f := <-reply: // came just before
				return f, nil
			default:
				return proto.Frame{}, l.cause()
			}
		case <-late:
			l.fail(ErrSilent)
		case <-ctx.Done():
			l.forget(id)
			return proto.Frame{}, ctx.Err()
		}
	}
}

// expect gives a request its id, and says where the reply will come.
func (l *link) expect() (id uint64, reply <-chan proto.Frame) {
	c := make(chan proto.Frame, 1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	l.waiting[l.last] = c
	return l.last, c
}

func (l *link) forget(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.waiting, id)
}

func (l *link) cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
