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
)

// A link is one connection. Many callers use it at once: a writer sends their requests together, a reader hands each
// reply to the caller whose id it carries.
type link struct {
	conn net.Conn
	out  chan proto.Frame
	down chan struct{} // closed once the link is of no more use

	mu      sync.Mutex
	err     error // why it is down
	last    uint64
	waiting map[uint64]chan<- proto.Frame
}

// dial connects to the keeper of a cache folder, if there is one. A permanent error says that there is one, and that
// it will not do.
func dial(ctx context.Context, dir string, session [16]byte) (*link, error) {
	path, err := place.Socket(dir)
	if err != nil {
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	r, err := greet(ctx, conn.(*net.UnixConn), session)
	if err != nil {
		conn.Close()
		return nil, err
	}
	l := &link{
		conn:    conn,
		out:     make(chan proto.Frame, 64),
		down:    make(chan struct{}),
		waiting: make(map[uint64]chan<- proto.Frame),
	}
	go l.read(r)
	go func() {
		if err := proto.WriteAll(conn, l.out, l.down); err != nil {
			l.fail(err)
		}
	}()
	return l, nil
}

// greet exchanges hellos.
func greet(ctx context.Context, conn *net.UnixConn, session [16]byte) (*bufio.Reader, error) {
	if err := place.CheckPeer(conn); err != nil {
		return nil, permanent(err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	defer stop()
	conn.SetDeadline(time.Now().Add(helloTimeout))

	w := bufio.NewWriter(conn)
	hello := proto.Hello{Version: proto.Version, Session: session}
	proto.Write(w, proto.Frame{Code: proto.OpHello, Body: hello.Append(nil)})
	if err := w.Flush(); err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(conn, 64<<10)
	f, err := proto.Read(r, proto.MaxHello)
	var timeout net.Error
	if ctx.Err() == nil && errors.As(err, &timeout) && timeout.Timeout() {
		return nil, passing(ErrSilent)
	}
	if err != nil {
		return nil, err
	}
	answer, err := proto.ParseHello(f.Body)
	if err != nil {
		return nil, permanent(fmt.Errorf("what answers is no keeper: %w", err))
	}
	if answer.Version != proto.Version {
		return nil, permanent(fmt.Errorf("%w: %d, not %d", ErrVersion, answer.Version, proto.Version))
	}
	if !stop() {
		return nil, context.Cause(ctx)
	}
	return r, conn.SetDeadline(time.Time{})
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
		if reply != nil {
			reply <- f // has room for the one reply
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
	reply := make(chan proto.Frame, 1)
	l.mu.Lock()
	l.last++
	id := l.last
	l.waiting[id] = reply
	l.mu.Unlock()

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
