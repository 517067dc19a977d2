package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// A Drain ends a command in two steps. When Soft ends, nothing new is begun;
// when Hard ends, what is under way is given up. context.Cause(Soft) says why.
type Drain struct {
	Soft, Hard context.Context

	soft   context.CancelCauseFunc
	hard   context.CancelFunc
	timer  sync.Once
	closed chan struct{}
	close  func()
}

// How long answers in flight are waited for after each cause, and how long
// after a second signal a process that is still there is ended by force: in a
// system call that no context reaches, or in a write that nobody takes. Without
// a second signal it waits, so that no record is cut in half.
const (
	GraceSignal = 10 * time.Second
	GracePipe   = 2 * time.Second
	forceAfter  = time.Second
)

// NewDrain starts to listen for SIGINT, SIGTERM and SIGHUP: the first ends
// Soft, and Hard after GraceSignal; the second ends Hard. SIGHUP is left alone
// if it was ignored, as under nohup. Close stops listening.
func NewDrain(ctx context.Context) *Drain {
	d := &Drain{closed: make(chan struct{})}
	d.Hard, d.hard = context.WithCancel(ctx)
	d.Soft, d.soft = context.WithCancelCause(d.Hard)

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	d.close = sync.OnceFunc(func() { signal.Stop(signals); close(d.closed) })
	go func() {
		for first := true; ; first = false {
			select {
			case s := <-signals:
				d.End(&Interrupt{s}, GraceSignal)
				if !first {
					d.abort(s)
				}
			case <-d.closed:
				return
			}
		}
	}()
	return d
}

// End ends Soft now, because of why, and Hard after grace; with 0 not at all, so
// that what is under way takes the time it takes, until a signal comes.
func (d *Drain) End(why error, grace time.Duration) {
	d.soft(why)
	if grace == 0 {
		return
	}
	d.timer.Do(func() { time.AfterFunc(grace, d.hard) })
}

// abort ends Hard, and the process if that does not.
func (d *Drain) abort(s os.Signal) {
	d.hard()
	status := StatusOf(&Interrupt{s})
	time.AfterFunc(forceAfter, func() {
		select {
		case <-d.closed:
		default:
			os.Exit(int(status))
		}
	})
}

// Close ends both and stops listening for signals.
func (d *Drain) Close() {
	d.close()
	d.soft(nil)
	d.hard()
}
