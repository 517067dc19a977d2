package hub

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"syscall"
	"time"

	"gptpipe/pkg/hub/place"
	"gptpipe/pkg/hub/proto"
	"gptpipe/pkg/panics"
)

// ErrStays: the keeper was started by hand, and is not asked to finish for another.
var ErrStays = errors.New("keeper was started by hand")

// locate resolves a cache folder and where its keeper is found.
func locate(folder string) (resolved, dir string, err error) {
	if resolved, err = place.Resolve(folder); err == nil {
		dir, _, err = place.Base(resolved)
	}
	if err != nil {
		return "", "", permanent(err)
	}
	return resolved, dir, nil
}

// compare judges the hello of a keeper.
func compare(hello proto.Hello) error {
	if hello.Version == proto.Version {
		return nil
	}
	err := fmt.Errorf("%w: %d, not %d", ErrVersion, hello.Version, proto.Version)
	if hello.Version < proto.Version && !hello.Stays {
		return err
	}
	return permanent(err)
}

// Stop makes the keeper of a cache folder leave, of whatever version it is and though it has users, and waits until it
// has closed the database. Clients that need a keeper after that start one. Without a keeper it returns ErrNoKeeper.
func Stop(ctx context.Context, folder string) error { return stop(ctx, folder, false) }

// Retire is Stop, but a keeper that was started by hand stays, which is ErrStays; and to have no keeper is no error.
func Retire(ctx context.Context, folder string) error {
	err := stop(ctx, folder, true)
	if errors.Is(err, ErrNoKeeper) {
		return nil
	}
	return err
}

// TakeOver makes room for a keeper that is started by hand: one that was started on demand leaves, as by Retire, and no
// client starts another before release is called, which is to be done once the new one serves, or has failed. To call it
// again does no harm. Own is the socket that the new keeper has been passed, or nil: if that is the one which the folder
// names, whoever served it before has left.
func TakeOver(ctx context.Context, folder string, own *net.UnixListener) (release func(), err error) {
	_, dir, err := locate(folder)
	if err != nil {
		return nil, err
	}
	if err := place.Prepare(dir); err != nil {
		return nil, permanent(err)
	}
	lock, err := place.TryLock(dir, place.StartLock)
	for ; err == nil && lock == nil; lock, err = place.TryLock(dir, place.StartLock) {
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, permanent(err)
	}
	if path, err := place.Socket(dir); own != nil && err == nil && path == own.Addr().String() {
		return func() { lock.Unlock() }, nil // to dial it would be to wait for oneself
	}
	if err := Retire(ctx, folder); err != nil {
		lock.Unlock()
		return nil, err
	}
	return func() { lock.Unlock() }, nil
}

func stop(ctx context.Context, folder string, onDemand bool) error {
	_, dir, err := locate(folder)
	if err != nil {
		return err
	}
	conn, r, hello, err := reach(ctx, dir, [16]byte{})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF):
		return permanent(fmt.Errorf("%w serves %s", ErrNoKeeper, folder))
	case isPermanent(err):
		return err
	case err != nil:
		return passing(err)
	}
	defer conn.Close()
	if onDemand && hello.Stays {
		return permanent(ErrStays)
	}
	return dismiss(ctx, conn, r)
}

// dismiss asks the keeper at the other end to leave. The connection ends when it has closed the database.
func dismiss(ctx context.Context, conn net.Conn, r *bufio.Reader) error {
	conn.SetDeadline(time.Now().Add(replyTimeout))
	stop := context.AfterFunc(ctx, panics.Func(func() { conn.SetDeadline(time.Now()) }))
	defer stop()

	w := bufio.NewWriter(conn)
	proto.Write(w, proto.Frame{Code: proto.OpStop, ID: 1})
	err := w.Flush()
	for err == nil {
		_, err = proto.Read(r, proto.MaxFrame)
	}
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &timeout) && timeout.Timeout():
		return passing(ErrSilent)
	case errors.Is(err, proto.ErrFrame):
		return permanent(err)
	}
	return nil // the end of the stream, by whatever name
}
