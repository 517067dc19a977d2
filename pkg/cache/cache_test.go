package cache

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/llm"
)

// A memory is a store in this process.
type memory struct {
	mu       sync.Mutex
	values   map[[32]byte][]byte
	gets     int
	released atomic.Int64 // leases given up or ended
	puts     []put
	getErr   error
	putErr   error
	putting  func(ctx context.Context) // if not nil, runs within each Put
}

type put struct {
	model string
	ttl   time.Duration
}

func newMemory() *memory { return &memory{values: map[[32]byte][]byte{}} }

func (m *memory) Ask(ctx context.Context, key [32]byte) ([]byte, func(), error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	if m.getErr != nil {
		return nil, nil, m.getErr
	}
	if value, ok := m.values[key]; ok {
		return value, nil, nil
	}
	return nil, func() { m.released.Add(1) }, nil
}

func (m *memory) Put(ctx context.Context, key [32]byte, value []byte, model string, ttl time.Duration) error {
	if m.putting != nil {
		m.putting(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	m.puts = append(m.puts, put{model, ttl})
	if m.putErr == nil {
		m.values[key] = value
	}
	return m.putErr
}

// A bench is a cache, its store, what stands behind it, and what it told.
type bench struct {
	llm.Completer
	store  *memory
	asked  atomic.Int64
	hits   atomic.Int64
	mu     sync.Mutex
	broken []error
	full   []error
}

func newBench(t *testing.T, next llm.Func, change func(*Options)) *bench {
	t.Helper()
	b := &bench{store: newMemory()}
	o := Options{
		Scope: []string{"chat", "https://example.org/v1"},
		TTL:   time.Hour,
		Label: strings.Clone, Hit: func(*llm.Request) { b.hits.Add(1) },
		Broken: func(err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.broken = append(b.broken, err)
		},
		Full: func(err error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.full = append(b.full, err)
		},
	}
	if change != nil {
		change(&o)
	}
	b.Completer = New(llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		b.asked.Add(1)
		return next(ctx, req)
	}), b.store, o)
	return b
}

func yes(context.Context, *llm.Request) (*llm.Response, error) {
	return &llm.Response{Text: "yes", FinishReason: "stop", Attempts: 2, Elapsed: time.Second}, nil
}

func request() *llm.Request { return &llm.Request{Model: "m", Body: []byte(`{"model":"m"}`)} }

// All that tells requests apart must tell their keys apart, and where one part
// ends and the next begins too.
func TestKeyTellsRequestsApart(t *testing.T) {
	type question struct {
		scope  []string
		sample int
		body   string
	}
	seen := map[[32]byte]question{}
	for _, q := range []question{
		{nil, 0, "body"},
		{nil, 0, "Body"},
		{nil, 0, ""},
		{nil, 1, "body"},
		{nil, -1, "body"},
		{nil, 63, "body"},
		{nil, 64, "body"},
		{nil, 1 << 40, "body"},
		{[]string{""}, 0, "body"},
		{[]string{"", ""}, 0, "body"},
		{[]string{"abc"}, 0, "body"},
		{[]string{"ab", "c"}, 0, "body"},
		{[]string{"a", "bc"}, 0, "body"},
		{[]string{"a", "b", "c"}, 0, "body"},
		{[]string{"bc", "a"}, 0, "body"},
		{[]string{"abcb"}, 0, "ody"},
		{[]string{"abc\x00"}, 0, "body"},
		{[]string{"abc", "\x00"}, 0, "body"},
		{[]string{"chat", "https://a", "org", ""}, 0, "body"},
		{[]string{"chat", "https://a", "", "org"}, 0, "body"},
	} {
		key := Key(q.scope, &llm.Request{Body: []byte(q.body), Sample: q.sample})
		if other, taken := seen[key]; taken {
			t.Errorf("%+v and %+v have one key", q, other)
		}
		seen[key] = q
	}
}

// The position in the input, the key in use, streaming: none of them may make
// a rerun pay again.
func TestKeyKnowsNothingElse(t *testing.T) {
	scope := []string{"a"}
	req, streamed := request(), request()
	streamed.OnDelta = func(string) {}
	if Key(scope, req) != Key(scope, streamed) {
		t.Error("two keys for one request")
	}
}

func TestHitSpendsNothing(t *testing.T) {
	whole := llm.Response{
		Text: "a \"b\"\n<c> & \u2028 ü \x00 数字", Model: "m-2026", FinishReason: "stop", RequestID: "req_1",
		Usage: []byte(`{"prompt_tokens":12345678901234567890,"cost":1.0}`),
		Body:  []byte("{\"a\":\"<b>&amp;\u2028\\u003c\"}"),
	}
	b := newBench(t, func(context.Context, *llm.Request) (*llm.Response, error) {
		r := whole
		r.Attempts, r.Elapsed = 3, time.Second
		return &r, nil
	}, nil)
	first, err := b.Complete(t.Context(), request())
	if err != nil || first.Cached || first.Attempts != 3 {
		t.Fatalf("%+v, error %v", first, err)
	}
	second, err := b.Complete(t.Context(), request())
	if err != nil {
		t.Fatal(err)
	}
	want := whole
	want.Cached = true
	if !reflect.DeepEqual(*second, want) {
		t.Errorf("from the store %+v\nwant           %+v", *second, want)
	}
	if b.asked.Load() != 1 || b.hits.Load() != 1 {
		t.Errorf("asked %d times, %d hits", b.asked.Load(), b.hits.Load())
	}
	if want := []put{{"m", time.Hour}}; !reflect.DeepEqual(b.store.puts, want) {
		t.Errorf("stored %v, want %v", b.store.puts, want)
	}
}

// A rerun reports the same failure and pays nothing.
func TestFailuresThatWereAnswersAreStored(t *testing.T) {
	for name, resp := range map[string]llm.Response{
		"cut":      {Text: "half", FinishReason: "length"},
		"filtered": {FinishReason: "content_filter"},
		"refused":  {FinishReason: "stop", Refusal: "I will not."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(context.Context, *llm.Request) (*llm.Response, error) {
				r := resp
				return &r, r.Err()
			}, nil)
			var errs [2]*llm.Error
			for i := range errs {
				got, err := b.Complete(t.Context(), request())
				if !errors.As(err, &errs[i]) || got == nil || got.Text != resp.Text || got.Cached != (i == 1) {
					t.Fatalf("time %d: %+v, error %v", i+1, got, err)
				}
			}
			if !reflect.DeepEqual(errs[0], errs[1]) || errs[0].Error() != resp.Err().Error() {
				t.Errorf("first %+v, then %+v", errs[0], errs[1])
			}
			if b.asked.Load() != 1 {
				t.Errorf("asked %d times", b.asked.Load())
			}
		})
	}
}

// Any other failure may be gone the next time.
func TestOtherFailuresAreNotStored(t *testing.T) {
	for name, outcome := range map[string]struct {
		resp *llm.Response
		err  error
	}{
		"a failure of the server":             {nil, &llm.Error{Type: llm.Server, Status: 500}},
		"an answer that broke off":            {nil, &llm.Error{Type: llm.BadResponse, Status: 200}},
		"a schema that was not met":           {nil, &llm.Error{Type: llm.Schema}},
		"a whole answer, not fit for its use": {&llm.Response{Text: "x", FinishReason: "stop"}, &llm.Error{Type: llm.Schema}},
		"a wait that is too long":             {nil, &llm.WaitError{Err: &llm.Error{Type: llm.RateLimit}}},
		"a stop":                              {nil, errStopped},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, func(context.Context, *llm.Request) (*llm.Response, error) { return outcome.resp, outcome.err }, nil)
			for range 2 {
				if _, err := b.Complete(t.Context(), request()); err != outcome.err {
					t.Errorf("error %v, want %v", err, outcome.err)
				}
			}
			if b.asked.Load() != 2 || len(b.store.values) != 0 || b.hits.Load() != 0 {
				t.Errorf("asked %d times, %d values, %d hits", b.asked.Load(), len(b.store.values), b.hits.Load())
			}
		})
	}
}

// The record is written when Complete returns: a crash after that must find
// the answer in the store.
func TestAnswerIsStoredBeforeItIsHandedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, yes, nil)
		let := make(chan struct{})
		b.store.putting = func(context.Context) { <-let }
		done := make(chan struct{})
		go func() {
			b.Complete(t.Context(), request())
			close(done)
		}()
		synctest.Wait()
		select {
		case <-done:
			t.Error("handed on while it was still being stored")
		default:
		}
		close(let)
		<-done
	})
}

// A store that does not answer holds nobody up for longer than a moment, and
// is told.
func TestStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, yes, nil)
		b.store.putting = func(ctx context.Context) { <-ctx.Done() }
		begin := time.Now()
		for range 3 {
			if resp, err := b.Complete(t.Context(), request()); err != nil || resp.Text != "yes" {
				t.Errorf("%+v, error %v", resp, err)
			}
		}
		if took := time.Since(begin); took != putTimeout || len(b.broken) != 1 {
			t.Errorf("three answers took %v, told %v", took, b.broken)
		}
	})
}

func TestIdenticalRequestsInFlightAreOne(t *testing.T) {
	boom := &llm.Error{Type: llm.Server, Status: 500, Message: "boom"}
	cut := &llm.Response{Text: "half", FinishReason: "length"}
	for name, outcome := range map[string]struct {
		resp *llm.Response
		err  error
	}{
		"an answer":                {&llm.Response{Text: "yes"}, nil},
		"a failure":                {nil, boom},
		"an answer that is no use": {cut, cut.Err()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				let := make(chan struct{})
				b := newBench(t, func(context.Context, *llm.Request) (*llm.Response, error) {
					<-let
					return outcome.resp, outcome.err
				}, nil)
				var all sync.WaitGroup
				var cached atomic.Int64
				for range 10 {
					all.Go(func() {
						resp, err := b.Complete(t.Context(), request())
						if err != outcome.err || (resp == nil) != (outcome.resp == nil) || resp != nil && resp.Text != outcome.resp.Text {
							t.Errorf("%+v, error %v", resp, err)
						}
						if resp != nil && resp.Cached {
							cached.Add(1)
						}
					})
				}
				synctest.Wait()
				close(let)
				all.Wait()
				followers := int64(0)
				if outcome.resp != nil {
					followers = 9
				}
				if b.asked.Load() != 1 || cached.Load() != followers || b.hits.Load() != followers {
					t.Errorf("asked %d times, %d cached, %d hits", b.asked.Load(), cached.Load(), b.hits.Load())
				}
				b.Complete(t.Context(), request())
				if again := b.asked.Load() == 2; again != (outcome.resp == nil) {
					t.Errorf("asked %d times in the end", b.asked.Load())
				}
			})
		})
	}
}

// With --sample, repetitions are wanted.
func TestSamplesInFlightAreTheirOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		b := newBench(t, func(context.Context, *llm.Request) (*llm.Response, error) { <-let; return &llm.Response{}, nil }, nil)
		var all sync.WaitGroup
		for i := range 5 {
			req := request()
			req.Sample = i
			all.Go(func() { b.Complete(t.Context(), req) })
		}
		synctest.Wait()
		if n := b.asked.Load(); n != 5 {
			t.Errorf("%d requests for 5 samples", n)
		}
		close(let)
		all.Wait()
	})
}

var errStopped = errors.New("stopped on purpose")

func TestFollowerLeavesAtASoftStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		b := newBench(t, func(context.Context, *llm.Request) (*llm.Response, error) { <-let; return yes(t.Context(), nil) }, nil)
		var all sync.WaitGroup
		all.Go(func() {
			if resp, err := b.Complete(t.Context(), request()); err != nil || resp.Text != "yes" {
				t.Errorf("the first: %+v, error %v", resp, err)
			}
		})
		synctest.Wait()
		ctx, stop := context.WithCancelCause(t.Context())
		all.Go(func() {
			if _, err := b.Complete(ctx, request()); err != errStopped {
				t.Errorf("the follower: error %v", err)
			}
		})
		synctest.Wait()
		stop(errStopped)
		synctest.Wait()
		close(let)
		all.Wait()
	})
}

// A store that fails is told once and left alone, and requests go on.
func TestStoreThatFails(t *testing.T) {
	broken := errors.New("no keeper")
	for name, damage := range map[string]func(*memory){
		"to read":  func(m *memory) { m.getErr = broken },
		"to write": func(m *memory) { m.putErr = broken },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, yes, nil)
			damage(b.store)
			var all sync.WaitGroup
			for i := range 20 {
				req := request()
				req.Sample = i
				all.Go(func() {
					if resp, err := b.Complete(t.Context(), req); err != nil || resp.Text != "yes" {
						t.Errorf("%+v, error %v", resp, err)
					}
				})
			}
			all.Wait()
			if len(b.broken) != 1 || b.broken[0] != broken {
				t.Errorf("told %v", b.broken)
			}
			gets, puts := b.store.gets, len(b.store.puts)
			b.Complete(t.Context(), request())
			if b.store.gets != gets || len(b.store.puts) != puts {
				t.Error("it was used again")
			}
		})
	}
}

// An answer that cannot be kept is one answer: the store goes on with the next.
func TestAnswerThatDoesNotFit(t *testing.T) {
	for _, reason := range []error{hub.ErrTooLarge, hub.ErrNoSpace} {
		t.Run(reason.Error(), func(t *testing.T) {
			b := newBench(t, yes, nil)
			b.store.putErr = fmt.Errorf("somewhere: %w", reason)
			for range 3 {
				if resp, err := b.Complete(t.Context(), request()); err != nil || resp.Text != "yes" {
					t.Errorf("%+v, error %v", resp, err)
				}
			}
			b.store.putErr = nil
			b.Complete(t.Context(), request())
			if resp, err := b.Complete(t.Context(), request()); err != nil || !resp.Cached {
				t.Errorf("%+v, error %v", resp, err)
			}
			if len(b.full) != 1 || !errors.Is(b.full[0], reason) || len(b.broken) != 0 {
				t.Errorf("told %v, and of a failure %v", b.full, b.broken)
			}
		})
	}
}

// Without a store, what is in flight is still shared, and nothing is kept.
func TestWithoutAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		let := make(chan struct{})
		asked, hits := atomic.Int64{}, atomic.Int64{}
		c := New(llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
			asked.Add(1)
			<-let
			return &llm.Response{Text: "yes"}, nil
		}), nil, Options{TTL: time.Hour, Label: strings.Clone, Hit: func(*llm.Request) { hits.Add(1) }})
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				if resp, err := c.Complete(t.Context(), request()); err != nil || resp.Text != "yes" {
					t.Errorf("%+v, error %v", resp, err)
				}
			})
		}
		synctest.Wait()
		close(let)
		all.Wait()
		c.Complete(t.Context(), request())
		if asked.Load() != 2 || hits.Load() != 4 {
			t.Errorf("asked %d times, %d hits", asked.Load(), hits.Load())
		}
	})
}

// A lifetime of nothing reads what there is, and stores nothing. So it holds no lease either: what others wait for will
// not come.
func TestLifetimeOfNothing(t *testing.T) {
	var b *bench
	b = newBench(t, func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		if asked, released := b.asked.Load(), b.store.released.Load(); asked != released {
			t.Errorf("asked %d times, and %d leases were given back before", asked, released)
		}
		return yes(ctx, req)
	}, func(o *Options) { o.TTL = 0 })
	for range 2 {
		b.Complete(t.Context(), request())
	}
	if len(b.store.puts) != 0 || b.asked.Load() != 2 {
		t.Errorf("%d stored, asked %d times", len(b.store.puts), b.asked.Load())
	}
}

// The end of the run is no failure of the store.
func TestSoftStopIsNoFailureOfTheStore(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errStopped)
	b := newBench(t, func(ctx context.Context, _ *llm.Request) (*llm.Response, error) { return nil, context.Cause(ctx) }, nil)
	if _, err := b.Complete(ctx, request()); err != errStopped {
		t.Errorf("error %v", err)
	}
	if len(b.broken) != 0 {
		t.Errorf("told %v", b.broken)
	}
}

// What was paid for is stored, though the run is ending.
func TestPutSurvivesASoftStop(t *testing.T) {
	ctx, stop := context.WithCancelCause(t.Context())
	b := newBench(t, func(context.Context, *llm.Request) (*llm.Response, error) {
		stop(errStopped)
		return yes(t.Context(), nil)
	}, nil)
	if resp, err := b.Complete(ctx, request()); err != nil || resp.Text != "yes" {
		t.Errorf("%+v, error %v", resp, err)
	}
	if len(b.store.values) != 1 || len(b.broken) != 0 {
		t.Errorf("%d values stored, told %v", len(b.store.values), b.broken)
	}
}

func TestRefreshAsksAndStores(t *testing.T) {
	n := 0
	b := newBench(t, func(context.Context, *llm.Request) (*llm.Response, error) {
		n++
		return &llm.Response{Text: string(rune('a' + n))}, nil
	}, nil)
	b.Complete(t.Context(), request())
	fresh := New(b.Completer.(*cache).next, b.store, Options{Label: strings.Clone,
		Scope: []string{"chat", "https://example.org/v1"}, TTL: time.Minute, Refresh: true,
	})
	if resp, err := fresh.Complete(t.Context(), request()); err != nil || resp.Text != "c" || resp.Cached {
		t.Errorf("%+v, error %v", resp, err)
	}
	if resp, err := b.Complete(t.Context(), request()); err != nil || resp.Text != "c" || !resp.Cached {
		t.Errorf("later %+v, error %v", resp, err)
	}
}

// What cannot be read is not there: it is asked for and written anew.
func TestGarbageInTheStoreIsAMiss(t *testing.T) {
	for _, garbage := range []string{"", "{", "null", "[]", "7", `"yes"`, "{}", `{"text":5}`, `{"text":null}`, `{"model":"m"}`, `{"text":"yes"} x`, "\x00\xff\xfe"} {
		t.Run(garbage, func(t *testing.T) {
			b := newBench(t, yes, nil)
			key := Key(b.Completer.(*cache).o.Scope, request())
			b.store.values[key] = []byte(garbage)
			resp, err := b.Complete(t.Context(), request())
			if err != nil || resp.Text != "yes" || resp.Cached || b.asked.Load() != 1 {
				t.Errorf("%+v, error %v, asked %d times", resp, err, b.asked.Load())
			}
			if resp, err = b.Complete(t.Context(), request()); err != nil || !resp.Cached || b.asked.Load() != 1 {
				t.Errorf("later %+v, error %v, asked %d times", resp, err, b.asked.Load())
			}
			if len(b.broken) != 0 {
				t.Errorf("told %v", b.broken)
			}
		})
	}
}

// Others wait for as long as the lease is held: it must not outlive the request, however that ended.
func TestLeaseEndsWithTheRequest(t *testing.T) {
	for name, next := range map[string]llm.Func{
		"answered": yes,
		"failed": func(context.Context, *llm.Request) (*llm.Response, error) {
			return nil, &llm.Error{Type: llm.InvalidRequest}
		},
		"cut": func(context.Context, *llm.Request) (*llm.Response, error) {
			resp := &llm.Response{FinishReason: "length"}
			return resp, resp.Err()
		},
	} {
		b := newBench(t, next, nil)
		b.Complete(context.Background(), request())
		if n := b.store.released.Load(); n != 1 {
			t.Errorf("%s: the lease was given back %d times", name, n)
		}
	}
	b := newBench(t, yes, nil)
	for range 2 {
		if _, err := b.Complete(context.Background(), request()); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.store.released.Load(); n != 1 {
		t.Errorf("a hit gave back a lease: %d in all", n)
	}
}
