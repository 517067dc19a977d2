package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/hub/proto"
	"gptpipe/pkg/keeper"
)

// Fifty processes at once, with no keeper there yet.
func TestManyProcessesAskOnce(t *testing.T) {
	for _, c := range []struct {
		name      string
		questions int
	}{{"identical", 1}, {"different", 50}} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Cleanup(func() { stop(t, dir) })
			counter := filepath.Join(t.TempDir(), "asked")
			var all []*process
			for i := range 50 {
				all = append(all, run(t, "ask", dir, fmt.Sprint("q", i%c.questions), counter))
			}
			for i, p := range all {
				if out, want := p.rest(), fmt.Sprint("value answer to q", i%c.questions); !slices.Equal(out, []string{want}) {
					t.Errorf("process %d: %q", i, out)
				}
			}
			if asked, err := os.ReadFile(counter); err != nil || len(asked) != c.questions {
				t.Errorf("%d questions asked %d times, %v", c.questions, len(asked), err)
			}
		})
	}
}

func TestHolderIsKilled(t *testing.T) {
	dir := t.TempDir()
	clients := openAll(t, dir, 5)
	holder := run(t, "ask", dir, "q", "")
	holder.says("lease")
	results := asks(t, dir, "q", clients...)
	holder.Process.Kill()
	first := <-results
	if first.lease == nil || first.who != 0 {
		t.Fatalf("the first to take over is %+v", first)
	}
	until(t, dir, "one has it, four wait", waiting(1, 4))
	mustPut(t, clients[first.who], "q", "answer")
	allGet(t, results, 4, "answer")
	until(t, dir, "no lease", waiting(0, 0))
}

// A process that is stopped loses its lease at the deadline, and not sooner; when it goes on, it does no harm.
func TestHolderIsStopped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const life = 2 * time.Second
	begin := time.Now()
	clients := openAll(t, dir, 4, "--lease", life.String())
	holder := run(t, "ask", dir, "q", "")
	holder.says("lease")
	results := asks(t, dir, "q", clients...)

	// This one's lease is renewed, and lasts for longer than one that is not.
	mine := take(t, clients[0], "mine")
	other := make(chan outcome, 1)
	go func() {
		value, lease, err := clients[1].Ask(t.Context(), key("mine"))
		other <- outcome{1, value, lease, err}
	}()

	holder.Process.Signal(syscall.SIGSTOP)
	first := <-results
	if first.lease == nil || time.Since(begin) < life {
		t.Fatalf("%+v after %v", first, time.Since(begin))
	}
	if len(other) > 0 {
		t.Fatalf("a lease that was renewed is lost: %+v", <-other)
	}
	mine.Release()
	if r := <-other; r.lease == nil {
		t.Errorf("%+v", r)
	}

	holder.Process.Signal(syscall.SIGCONT)
	fmt.Fprintln(holder.in, "late")
	holder.says("put")
	allGet(t, results, 3, "late")
	mustPut(t, clients[first.who], "q", "again")
	first.lease.Release()
	if value, lease, err := clients[3].Ask(t.Context(), key("q")); string(value) != "again" || lease != nil || err != nil {
		t.Errorf("%q, %v, %v", value, lease, err)
	}
}

// However a keeper ends, the next one knows who has the leases before it grants any.
func TestLeasesAreTakenAgain(t *testing.T) {
	dir := t.TempDir()
	clients := openAll(t, dir, 6)
	holder, rest := clients[0], clients[1:]
	for i, end := range []func(){
		func() { kill(t, dir) },
		func() { stop(t, dir) },
		func() { kill(t, dir); kill(t, dir) },
		func() { stop(t, dir); kill(t, dir) },
		func() { kill(t, dir); stop(t, dir) },
	} {
		q := fmt.Sprint("q", i)
		lease := take(t, holder, q)
		results := asks(t, dir, q, rest...)
		end()
		until(t, dir, "one has it, five wait", waiting(1, 5))
		if i%2 == 0 {
			mustPut(t, holder, q, "answer")
		} else {
			lease.Release()
			next := <-results
			if next.lease == nil {
				t.Fatalf("nobody takes over: %+v", next)
			}
			mustPut(t, rest[next.who], q, "answer")
		}
		allGet(t, results, 5-i%2, "answer")
	}
	until(t, dir, "no lease", waiting(0, 0))
}

// A keeper that is killed while nobody has a lease keeps nobody waiting for longer than its first moments.
func TestNobodyComesBack(t *testing.T) {
	dir := t.TempDir()
	c := openAll(t, dir, 1)[0]
	for range 2 {
		take(t, c, "q").Release()
		kill(t, dir)
		gone(t, dir)
	}
	take(t, c, "q")
}

// Goroutines of one client wait for each other too, first come, first served, and none occupies a slot.
func TestOneClientAsksOften(t *testing.T) {
	dir := t.TempDir()
	c := openAll(t, dir, 1)[0]
	lease := take(t, c, "q")
	results := asks(t, dir, "q", slices.Repeat([]*hub.Client{c}, 6)...)
	many := make(chan outcome, 200)
	for range cap(many) {
		go func() {
			value, lease, err := c.Ask(t.Context(), key("q"))
			many <- outcome{-1, value, lease, err}
		}()
	}
	until(t, dir, "all wait", waiting(1, 206))
	mustPut(t, c, "other", "x")
	if _, ok, err := c.Get(t.Context(), key("other")); !ok || err != nil {
		t.Fatal(ok, err)
	}
	for i := range 6 {
		lease.Release()
		lease.Release() // which must not end the next one's
		next := <-results
		if next.lease == nil || next.who != i {
			t.Fatalf("the next is %+v, not %d", next, i)
		}
		lease = next.lease
	}
	mustPut(t, c, "q", "answer")
	lease.Release()
	allGet(t, many, cap(many), "answer")
}

func TestWaiterGoes(t *testing.T) {
	dir := t.TempDir()
	clients := openAll(t, dir, 2)
	lease := take(t, clients[0], "q")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, _, err := clients[1].Ask(ctx, key("q"))
		done <- err
	}()
	until(t, dir, "one waits", waiting(1, 1))
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	until(t, dir, "nobody waits", waiting(1, 0))
	lease.Release()
	until(t, dir, "no lease", waiting(0, 0))

	// Whoever goes away just as the lease comes must not keep it.
	var wg sync.WaitGroup
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		for _, c := range clients {
			wg.Go(func() {
				if _, lease, _ := c.Ask(ctx, key("q")); lease != nil {
					cancel()
					lease.Release()
				}
			})
		}
		wg.Wait()
		cancel()
	}
	until(t, dir, "no lease", waiting(0, 0))
}

// On a full disk those who wait get the value that could not be stored.
func TestValueThatCannotBeStored(t *testing.T) {
	dir := keeper.SmallDisk(t)
	clients := openAll(t, dir, 3)
	take(t, clients[0], "q")
	results := asks(t, dir, "q", clients[1:]...)
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 70<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := clients[0].Put(t.Context(), key("q"), []byte("answer"), "", 0); !errors.Is(err, hub.ErrNoSpace) {
		t.Fatalf("put: %v", err)
	}
	allGet(t, results, 2, "answer")
}

// What is no request about leases or budgets ends its connection, and only that.
func TestSharedGarbage(t *testing.T) {
	dir := t.TempDir()
	c := openAll(t, dir, 1)[0]
	before := pid(t, c)
	ask := proto.Ask{ID: 1, Key: key("a")}.Append(nil)
	budget := proto.Budget{Name: "b", PerSecond: 1}
	for name, frames := range map[string][]proto.Frame{
		"half an ask":          {{Code: proto.OpAsk, Body: ask[:20]}},
		"one ask twice":        {{Code: proto.OpAsk, Body: ask}, {Code: proto.OpAsk, Body: ask}},
		"half a list":          {{Code: proto.OpRetake, Body: append(ask, 1)}},
		"half a release":       {{Code: proto.OpRelease, Body: ask[:1]}},
		"a negative limit":     {{Code: proto.OpUse, Body: proto.Budget{PerSecond: -1}.Append(nil)}},
		"a limit of no number": {{Code: proto.OpStart, Body: proto.Start{Budget: proto.Budget{PerMinute: math.NaN()}}.Append(nil)}},
		"a long name":          {{Code: proto.OpUse, Body: proto.Budget{Name: strings.Repeat("x", 1<<20)}.Append(nil)}},
		"too many tokens":      {{Code: proto.OpStart, Body: proto.Start{Tokens: 1 << 60, Budget: budget}.Append(nil)}},
		"too much settled":     {{Code: proto.OpSettle, Body: proto.Settle{Name: "b", Used: math.MaxUint64}.Append(nil)}},
		"half a hold":          {{Code: proto.OpHold, Body: []byte{1}}},
	} {
		p := speak(t, dir)
		for _, f := range frames {
			p.send(f.Code, f.Body)
		}
		if _, err := io.ReadAll(p.r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := speak(t, dir)
	for _, f := range []proto.Frame{ // odd, and no garbage
		{Code: proto.OpRelease, Body: ask},
		{Code: proto.OpForget, Body: proto.Start{ID: 1, Tokens: 5, Budget: budget}.Append(nil)},
		{Code: proto.OpHold, Body: proto.Hold{Name: "nothing", For: math.MinInt64}.Append(nil)},
		{Code: proto.OpHold, Body: proto.Hold{Name: "nothing", For: math.MaxInt64}.Append(nil)},
		{Code: proto.OpSettle, Body: proto.Settle{Name: "nothing", Used: 5}.Append(nil)},
		{Code: proto.OpUse},
		{Code: proto.OpRetake},
		{Code: proto.OpRenew},
	} {
		p.send(f.Code, f.Body)
		if got, err := proto.Read(p.r, proto.MaxFrame); err != nil || got.Code != proto.OK {
			t.Errorf("operation %d: %+v, %v", f.Code, got, err)
		}
	}
	until(t, dir, "no lease", waiting(0, 0))
	if pid(t, c) != before {
		t.Error("another keeper")
	}
}

// Keepers are killed again and again under clients who all want the same values. Nothing is asked twice, because no
// client is.
func TestKillsAskNothingTwice(t *testing.T) {
	dir := t.TempDir()
	clients := openAll(t, dir, 4)
	const keys = 150
	var mu sync.Mutex
	asked := make(map[int]int)
	var killed atomic.Bool // often enough
	var wg sync.WaitGroup
	for w := range 3 * len(clients) {
		wg.Go(func() {
			for n := 0; n < keys || !killed.Load(); n++ { // a keeper is there as long as it is wanted
				if err := askOnce(t.Context(), clients[w%len(clients)], n, func() {
					mu.Lock()
					defer mu.Unlock()
					asked[n]++
				}); err != nil {
					t.Errorf("question %d: %v", n, err)
					return
				}
			}
		})
	}
	for range 25 {
		time.Sleep(rand.N(100 * time.Millisecond)) // a kill must come at any moment
		kill(t, dir)
	}
	killed.Store(true)
	wg.Wait()
	for n, times := range asked {
		if times != 1 {
			t.Errorf("question %d asked %d times", n, times)
		}
	}
	if len(asked) < keys {
		t.Errorf("%d questions were asked", len(asked))
	}
}

// askOnce gets a value as the cache does, and tells when it asks the model.
func askOnce(ctx context.Context, c *hub.Client, n int, model func()) error {
	k := key(fmt.Sprint(n))
	want := fmt.Sprint("answer ", n)
	value, lease, err := c.Ask(ctx, k)
	for errors.Is(err, hub.ErrLost) {
		value, lease, err = c.Ask(ctx, k)
	}
	if err != nil {
		return err
	}
	if lease == nil {
		if string(value) != want {
			return fmt.Errorf("wrong answer %q", value)
		}
		return nil
	}
	defer lease.Release()
	model()
	time.Sleep(rand.N(10 * time.Millisecond))
	err = c.Put(ctx, k, []byte(want), "", time.Hour)
	for errors.Is(err, hub.ErrLost) {
		err = c.Put(ctx, k, []byte(want), "", time.Hour)
	}
	return err
}
