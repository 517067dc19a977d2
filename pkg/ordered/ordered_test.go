package ordered

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// count returns a next function for 0, 1, … n-1.
func count(n int) func() (int, error) {
	i := -1
	return func() (int, error) {
		if i++; i < n {
			return i, nil
		}
		return 0, io.EOF
	}
}

type collect struct {
	got     []int
	flushed int // how many had been written at the last flush
	failAt  int // Write of this result fails, if above zero
}

var errSink = errors.New("sink is full")

func (c *collect) Write(v int) error {
	if c.failAt > 0 && v >= c.failAt {
		return errSink
	}
	c.got = append(c.got, v)
	return nil
}

func (c *collect) Flush() error { c.flushed = len(c.got); return nil }

func TestKeepsOrder(t *testing.T) {
	for _, o := range []Options{{Jobs: 1, Window: 1}, {Jobs: 7, Window: 7}, {Jobs: 16, Window: 64}} {
		var sink collect
		err := Map(context.Background(), o, count(5000), func(_ context.Context, i int) (int, error) {
			if rand.IntN(50) == 0 {
				time.Sleep(time.Millisecond)
			}
			return i * 2, nil
		}, &sink)
		if err != nil {
			t.Fatal(err)
		}
		if len(sink.got) != 5000 || sink.flushed != 5000 {
			t.Fatalf("%+v: %d results, %d flushed, want 5000", o, len(sink.got), sink.flushed)
		}
		for i, v := range sink.got {
			if v != i*2 {
				t.Fatalf("%+v: result %d is %d", o, i, v)
			}
		}
	}
}

// What comes when all is written is no reason to fail.
func TestEndsWellIfAllWasWrittenByThen(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	sink := &cancels{at: 5, cancel: cancel}
	if err := Map(ctx, Options{Jobs: 2, Window: 2}, count(5), func(_ context.Context, i int) (int, error) { return i, nil }, sink); err != nil {
		t.Errorf("after all of 5: %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	sink = &cancels{at: 4, cancel: cancel}
	if err := Map(ctx, Options{Jobs: 1, Window: 1}, count(1000), func(_ context.Context, i int) (int, error) { return i, nil }, sink); !errors.Is(err, context.Canceled) {
		t.Errorf("after 4 of 1000: %v", err)
	}
}

// cancels ends the run at the first flush after so many results.
type cancels struct {
	n, at  int
	cancel func()
}

func (c *cancels) Write(int) error { c.n++; return nil }

func (c *cancels) Flush() error {
	if c.n >= c.at {
		c.cancel()
	}
	return nil
}

func TestUnorderedWritesAsTheyFinish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sink collect
		err := Map(context.Background(), Options{Jobs: 4, Window: 4, Unordered: true}, count(4), func(_ context.Context, i int) (int, error) {
			time.Sleep(time.Duration(4-i) * time.Second)
			return i, nil
		}, &sink)
		if err != nil || fmt.Sprint(sink.got) != "[3 2 1 0]" {
			t.Errorf("got %v, %v", sink.got, err)
		}
	})
}

func TestWindowBoundsASlowHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const window = 10
		var begun atomic.Int32
		head := make(chan struct{})
		done := make(chan error)
		var sink collect
		go func() {
			done <- Map(context.Background(), Options{Jobs: 3, Window: window}, count(100), func(_ context.Context, i int) (int, error) {
				begun.Add(1)
				if i == 0 {
					<-head
				}
				return i, nil
			}, &sink)
		}()
		synctest.Wait()
		if n := begun.Load(); n != window {
			t.Errorf("with the head at work %d items were begun, want the window of %d", n, window)
		}
		close(head)
		if err := <-done; err != nil || len(sink.got) != 100 {
			t.Errorf("%d results, %v", len(sink.got), err)
		}
	})
}

func TestErrorOfWorkLeavesAnUnbrokenBeginning(t *testing.T) {
	fatal := errors.New("refused")
	var sink collect
	var begun atomic.Int32
	err := Map(context.Background(), Options{Jobs: 8, Window: 32}, count(1_000_000), func(_ context.Context, i int) (int, error) {
		begun.Add(1)
		if i == 500 {
			return 0, fatal
		}
		return i, nil
	}, &sink)
	if !errors.Is(err, fatal) {
		t.Errorf("error is %v", err)
	}
	if len(sink.got) != 500 {
		t.Errorf("%d results before item 500", len(sink.got))
	}
	if n := begun.Load(); n > 500+32 {
		t.Errorf("%d items were begun after the failure of 500", n)
	}
}

func TestSinkErrorWaitsForWorkUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var begun, finished atomic.Int32
		sink := collect{failAt: 3}
		err := Map(context.Background(), Options{Jobs: 4, Window: 8}, count(1000), func(_ context.Context, i int) (int, error) {
			begun.Add(1)
			time.Sleep(time.Duration(i+1) * time.Second)
			finished.Add(1)
			return i, nil
		}, &sink)
		if !errors.Is(err, errSink) || len(sink.got) != 3 {
			t.Errorf("got %v, %v", sink.got, err)
		}
		if begun.Load() != finished.Load() {
			t.Errorf("%d begun, %d finished", begun.Load(), finished.Load())
		}
	})
}

func TestCancelDoesNotWaitForInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		input := make(chan int, 2)
		input <- 0
		input <- 1
		var sink collect
		done := make(chan error)
		go func() {
			done <- Map(ctx, Options{Jobs: 2, Window: 4}, func() (int, error) {
				i, ok := <-input
				if !ok {
					return 0, io.EOF
				}
				return i, nil
			}, func(_ context.Context, i int) (int, error) {
				time.Sleep(time.Second) // an attempt under way is finished
				return i, nil
			}, &sink)
		}()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
		if fmt.Sprint(sink.got) != "[0 1]" {
			t.Errorf("what was under way is lost: %v", sink.got)
		}
		close(input)
	})
}

func TestErrorOfInputComesAfterItsRecords(t *testing.T) {
	broken := errors.New("read error")
	next := count(10)
	var sink collect
	err := Map(context.Background(), Options{Jobs: 4, Window: 4}, func() (int, error) {
		i, err := next()
		if err != nil {
			return 0, broken
		}
		time.Sleep(time.Millisecond)
		return i, nil
	}, func(ctx context.Context, i int) (int, error) { return i, nil }, &sink)
	if !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
	if len(sink.got) != 10 {
		t.Errorf("only %v of 10 were written", sink.got)
	}
}

func BenchmarkMap(b *testing.B) {
	for _, jobs := range []int{1, 16, 1000} {
		b.Run(fmt.Sprint(jobs), func(b *testing.B) {
			sink := &collect{}
			err := Map(context.Background(), Options{Jobs: jobs, Window: 8 * jobs}, count(b.N), func(_ context.Context, i int) (int, error) {
				return i, nil
			}, sink)
			if err != nil || len(sink.got) != b.N {
				b.Fatal(err, len(sink.got))
			}
		})
	}
}

func TestPanicIsAnError(t *testing.T) {
	panics := func(i int) (int, error) {
		if i == 3 {
			panic("of item 3")
		}
		return i, nil
	}
	items := count(10)
	for name, run := range map[string]func(*collect) error{
		"work": func(sink *collect) error {
			return Map(context.Background(), Options{Jobs: 1, Window: 1}, count(10),
				func(_ context.Context, i int) (int, error) { return panics(i) }, sink)
		},
		"next": func(sink *collect) error {
			return Map(context.Background(), Options{Jobs: 1, Window: 1},
				func() (int, error) { i, _ := items(); return panics(i) },
				func(_ context.Context, i int) (int, error) { return i, nil }, sink)
		},
	} {
		var sink collect
		var p *PanicError
		if err := run(&sink); !errors.As(err, &p) || p.Value != "of item 3" || len(p.Stack) == 0 {
			t.Errorf("%s: %v", name, err)
		}
		if len(sink.got) != 3 || sink.flushed != 3 {
			t.Errorf("%s: %v written, %d flushed", name, sink.got, sink.flushed)
		}
	}
}
