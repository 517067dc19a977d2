package cli

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gptpipe/pkg/panics"
)

// A Drain ends a command in two steps. When Soft ends, nothing new is begun;
// when Hard ends, what is under way is given up. Their causes say why; Reason
// says what of all that happened decides the exit status.
type Drain struct {
	Soft, Hard context.Context

	soft, hard context.CancelCauseFunc
	timer      sync.Once
	closed     chan struct{}
	close      func()

	mu  sync.Mutex
	why error // the weightiest so far
}

// How long answers in flight are waited for after each cause. What is still
// there forceAfter the end of Hard, in a system call that no context reaches or
// in a write that nobody takes, is ended by force, but only after a signal: else
// it waits, so that no record is cut in half.
const (
	GraceSignal = 10 * time.Second // to the end of the process
	GracePipe   = 2 * time.Second
	forceAfter  = 500 * time.Millisecond
)

// NewDrain starts to listen for SIGINT, SIGTERM and SIGHUP: the first ends
// Soft, and Hard so that the process is gone after GraceSignal; the second ends
// Hard. Close stops listening.
func NewDrain(ctx context.Context) *Drain {
	d := &Drain{closed: make(chan struct{})}
	d.Hard, d.hard = context.WithCancelCause(ctx)
	d.Soft, d.soft = context.WithCancelCause(d.Hard)

	signals, stop := Signals()
	d.close = sync.OnceFunc(func() { stop(); close(d.closed) })
	panics.Go(func() {
		for first := true; ; first = false {
			select {
			case s := <-signals:
				stop := &Interrupt{s}
				d.End(stop, GraceSignal-forceAfter)
				if first {
					time.AfterFunc(GraceSignal, panics.Func(d.force))
				} else {
					d.hard(stop)
					time.AfterFunc(forceAfter, panics.Func(d.force))
				}
			case <-d.closed:
				return
			}
		}
	})
	return d
}

// End ends Soft now, because of why, and Hard after grace; with 0 not at all, so
// that what is under way takes the time it takes, until a signal comes.
func (d *Drain) End(why error, grace time.Duration) {
	d.Note(why)
	d.end(why, grace)
}

func (d *Drain) end(why error, grace time.Duration) {
	d.soft(why)
	if grace == 0 {
		return
	}
	d.timer.Do(func() {
		time.AfterFunc(grace, panics.Func(func() { d.hard(d.Reason(context.Cause(d.Soft))) }))
	})
}

// Note remembers a reason to end for, and ends nothing yet.
func (d *Drain) Note(why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.why = weightiest(d.why, why)
}

// Reason is what the command ends for: of all that End and Note were told and of
// errs, the first that weighs most. It is nil if all went well.
func (d *Drain) Reason(errs ...error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return weightiest(append([]error{d.why}, errs...)...)
}

// Watch ends Soft as soon as nobody reads standard output any more, although
// nothing is written, if it is a pipe or a socket. It is no reason to end for
// where there was nothing left to write.
func (d *Drain) Watch(out *Output) {
	info, err := out.File.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return
	}
	fds := []unix.PollFd{{Fd: int32(out.File.Fd())}} // without events: for errors alone
	panics.Go(func() {
		err := error(unix.EINTR)
		for errors.Is(err, unix.EINTR) {
			_, err = unix.Poll(fds, -1)
		}
		if err == nil && fds[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0 {
			d.end(&OutputError{unix.EPIPE}, GracePipe)
		}
	})
}

// force ends the process, if it has not ended.
func (d *Drain) force() {
	select {
	case <-d.closed:
	default:
		os.Exit(int(StatusOf(d.Reason())))
	}
}

// Close ends both and stops listening for signals.
func (d *Drain) Close() {
	d.close()
	d.soft(nil)
	d.hard(nil)
}
