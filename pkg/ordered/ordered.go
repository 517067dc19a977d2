// Package ordered maps a stream with many workers and hands the results on in
// the order of the input, or as they finish, with bounded memory.
//
// Between what is read and what is written stands a window. While the head of
// the window is slow the others go on, until the window is full; then they
// wait for it. Neither a slow head nor a slow reader of the output lets memory
// grow.
package ordered

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"gptpipe/pkg/panics"
)

// Options bound a Map.
type Options struct {
	Jobs      int  // items worked on at once, at least 1
	Window    int  // items read and not yet written, at least Jobs
	Unordered bool // write results as they finish
}

// A Sink receives the results, from one goroutine.
type Sink[R any] interface {
	Write(R) error
	Flush() error // no further result is ready yet, or it was the last
}

// Map takes items from next until it returns io.EOF, calls work for each on
// one of Jobs goroutines, and sink.Write for each result.
//
// An error of next ends the input: what was read before it is done and written.
// When ctx is done, or work or the sink returns an error, Map ends early:
// nothing new is begun and what is under way is finished.
// An item whose work returned an error has no result: in order, neither it nor
// what follows it is written, so that the output is an unbroken beginning of
// the whole; with Unordered, everything that has a result is written. A call
// of next that is under way is not waited for.
//
// Map returns the first error met, which is that of ctx if it was done first, but
// not if all was written by then. A panic of work or next is a *PanicError.
func Map[T, R any](ctx context.Context, o Options, next func() (T, error), work func(context.Context, T) (R, error), sink Sink[R]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	type job struct {
		index int
		item  T
	}
	type result struct {
		index int
		value R
		err   error
		ready bool
	}
	jobs := make(chan job)
	results := make(chan result, o.Jobs)
	window := make(chan struct{}, o.Window) // holds one for each item read and not written
	var workers sync.WaitGroup

	var readErr error      // set before total is
	var total atomic.Int64 // items, once all are read; until then -1
	total.Store(-1)

	// The reader. It is left behind if next blocks when the run has ended.
	panics.Go(func() {
		defer close(jobs)
		for i := 0; ; i++ {
			select {
			case window <- struct{}{}:
			case <-ctx.Done():
				return
			}
			item, err := guard(next)
			if err != nil {
				if !errors.Is(err, io.EOF) {
					readErr = err
				}
				total.Store(int64(i))
				return
			}
			if ctx.Err() != nil {
				return
			}
			select {
			case jobs <- job{i, item}:
			case <-ctx.Done():
				return
			}
		}
	})

	for range o.Jobs {
		workers.Go(panics.Func(func() {
			for ctx.Err() == nil {
				select {
				case j, ok := <-jobs:
					if !ok {
						return
					}
					// It is done even if ctx is done by now: an item after it may have failed, and it stands before that.
					value, err := guard(func() (R, error) { return work(ctx, j.item) })
					results <- result{j.index, value, err, true}
				case <-ctx.Done():
					return
				}
			}
		}))
	}
	panics.Go(func() { workers.Wait(); close(results) })

	broken, written := false, int64(0) // broken: nothing more is written
	check := func(err error) {
		if err != nil {
			broken = true
			cancel(err)
		}
	}
	write := func(r result) {
		if !broken {
			check(sink.Write(r.value))
			written++
			<-window
		}
	}
	waiting := make([]result, o.Window) // a ring: item i stands at i % Window
	head := 0
	for r := range results {
		if r.err != nil {
			cancel(r.err)
		}
		if o.Unordered {
			if r.err == nil {
				write(r)
			}
		} else {
			waiting[r.index%o.Window] = r
			for at := head % o.Window; waiting[at].ready && waiting[at].err == nil; at = head % o.Window {
				write(waiting[at])
				waiting[at] = result{}
				head++
			}
		}
		if len(results) == 0 && !broken {
			check(sink.Flush())
		}
	}
	if !broken {
		check(sink.Flush())
	}
	if err := context.Cause(ctx); err != nil && (broken || written != total.Load()) {
		return err
	}
	return readErr
}

// A PanicError is a panic in a goroutine that Map began. As an error it takes
// the way of all others, past whoever hides secrets, which the runtime's report
// would show.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("internal error: %v\n%s", e.Value, e.Stack)
}

func guard[R any](f func() (R, error)) (r R, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
		}
	}()
	return f()
}
