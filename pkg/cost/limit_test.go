package cost

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/price"
	"gptpipe/pkg/retry"
	"gptpipe/pkg/wire"
	"gptpipe/test/standin"
)

// A price of one nano-dollar a token of input and ten of output.
var tenfold = price.Price{Rates: price.Rates{Input: 1e6, CachedInput: 5e5, CacheWrite: 1e6, Output: 1e7}, MaxOutput: 1000}

// request is one of 4 + 3 + 1 tokens.
func request(more string) *llm.Request {
	return &llm.Request{Model: "gpt-4o", Body: []byte(`{"messages":[{"role":"user","content":"hi"}]` + more + `}`)}
}

const inputTokens = 8

func TestWhatAnAttemptCosts(t *testing.T) {
	const most = inputTokens + 10*20
	usage := []byte(`{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":60}}`)
	dial := &net.OpError{Op: "dial", Err: io.EOF}
	for name, test := range map[string]struct {
		resp *llm.Response
		err  error
		want price.Nano
	}{
		"its usage":                  {resp: &llm.Response{Usage: usage}, want: 40 + 30 + 50},
		"an answer of no use":        {resp: &llm.Response{Usage: usage, FinishReason: "length"}, err: &llm.Error{Type: llm.Length}, want: 120},
		"no usage":                   {resp: &llm.Response{Text: "hi hi"}, want: inputTokens + 20},
		"no usage, a refusal":        {resp: &llm.Response{Refusal: "hi"}, want: inputTokens + 10},
		"usage of the input alone":   {resp: &llm.Response{Text: "hi", Usage: []byte(`{"prompt_tokens":9}`)}, want: 9 + 10},
		"usage of the output alone":  {resp: &llm.Response{Text: "hi", Usage: []byte(`{"completion_tokens":9}`)}, want: inputTokens + 90},
		"a timeout":                  {err: &llm.Error{Type: llm.Timeout}, want: most},
		"a cut connection":           {err: &llm.Error{Type: llm.Connection, Err: io.ErrUnexpectedEOF}, want: most},
		"an answer in no form":       {err: &llm.Error{Type: llm.BadResponse, Status: 200}, want: most},
		"an error in a stream":       {err: &llm.Error{Type: llm.Server, Status: 200}, want: most},
		"500":                        {err: &llm.Error{Type: llm.Server, Status: 500}},
		"429":                        {err: &llm.Error{Type: llm.RateLimit, Status: 429}},
		"429 in 200":                 {err: &llm.Error{Type: llm.RateLimit, Status: 200}},
		"408":                        {err: &llm.Error{Type: llm.Timeout, Status: 408}},
		"400":                        {err: &llm.Error{Type: llm.InvalidRequest, Status: 400}},
		"no connection":              {err: &llm.Error{Type: llm.Connection, Err: fmt.Errorf("x: %w", dial)}},
		"no connection to the proxy": {err: &llm.Error{Type: llm.Connection, Err: &net.OpError{Op: "proxyconnect", Err: dial}}},
		"no connection in time":      {err: &llm.Error{Type: llm.Timeout, Err: dial}},
		"no trust":                   {err: &llm.Error{Type: llm.Connection, Err: &tls.CertificateVerificationError{Err: io.EOF}}},
		"not begun":                  {err: errStopped},
	} {
		next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { return test.resp, test.err })
		b := NewBudget(price.Dollar)
		resp, err := Limit(next, b, tenfold, NewCounter("gpt-4o")).Complete(t.Context(), request(`,"max_tokens":20`))
		if resp != test.resp || err != test.err {
			t.Errorf("%s: it became %v, %v", name, resp, err)
		}
		if b.Spent() != test.want || b.reserved != 0 {
			t.Errorf("%s: %d spent, want %d; %d reserved", name, b.Spent(), test.want, b.reserved)
		}
		b = NewBudget(Unlimited)
		Limit(next, b, tenfold, NewCounter("gpt-4o")).Complete(t.Context(), request(""))
		want := test.want
		if test.resp == nil {
			want = 0
		}
		if b.Spent() != want {
			t.Errorf("%s, no limit: %d spent, want %d", name, b.Spent(), want)
		}
	}
}

func TestWorst(t *testing.T) {
	for _, test := range []struct {
		name  string
		price price.Price
		in    Input
		want  price.Nano // -1: none
	}{
		{"by the request", tenfold, Input{Tokens: 7, MaxOutput: 3, Answers: 1}, 37},
		{"by the model", tenfold, Input{Tokens: 7, Answers: 1}, 10007},
		{"several answers", tenfold, Input{Tokens: 7, MaxOutput: 3, Answers: 4}, 127},
		{"an estimate counts twice", tenfold, Input{Tokens: 7, Estimated: 5, MaxOutput: 3, Answers: 1}, 42},
		{"embeddings", price.Price{Rates: price.Rates{Input: 1e6}}, Input{Tokens: 7, Answers: 1}, 7},
		{"any length", price.Price{Rates: price.Rates{Output: 1e6}}, Input{Tokens: 7, Answers: 1}, -1},
		{"what is not known", tenfold, Input{Tokens: 7, MaxOutput: 3, Answers: 1, Unknown: "because"}, -1},
	} {
		most, unknown := Worst(test.price, test.in)
		if (unknown != "") != (test.want < 0) || unknown == "" && most != test.want {
			t.Errorf("%s: %d, %q; want %d", test.name, most, unknown, test.want)
		}
	}
}

// What has no bound is not sent, and is a failure of that request alone.
func TestNoBound(t *testing.T) {
	for body, part := range map[string]string{
		`{"messages":[{"role":"user","content":"hi"}],"web_search_options":{}}`: "web_search_options",
		`{"messages":{}}`: "JSON",
	} {
		next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
			t.Errorf("%s was sent", body)
			return nil, nil
		})
		b := NewBudget(price.Dollar)
		_, err := Limit(next, b, tenfold, NewCounter("gpt-4o")).Complete(t.Context(), &llm.Request{Body: []byte(body)})
		var e *llm.Error
		if !errors.As(err, &e) || e.Type != llm.InvalidRequest || e.Retry || !strings.Contains(e.Message, part) {
			t.Errorf("%s: error %v", body, err)
		}
	}
}

// The hint speaks of --max-tokens where that is what is missing.
func TestExceededHint(t *testing.T) {
	next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { return &llm.Response{}, nil })
	for more, capped := range map[string]bool{"": false, `,"max_completion_tokens":900`: true} {
		_, err := Limit(next, NewBudget(5000), tenfold, NewCounter("gpt-4o")).Complete(t.Context(), request(more))
		var e *ExceededError
		if !errors.As(err, &e) || e.Capped != capped || strings.Contains(e.Hint(), "--max-tokens") == capped {
			t.Errorf("%q: %+v", more, err)
		}
	}
}

// Many jobs until the money is spent, answers far below what was reserved: all
// of the limit is used but for one worst case.
func TestLimitIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 20_000
		var sent atomic.Int64
		next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
			sent.Add(1)
			time.Sleep(time.Second)
			return &llm.Response{Usage: []byte(`{"prompt_tokens":8,"completion_tokens":3}`)}, nil // 38 of up to 1008
		})
		b := NewBudget(limit)
		c := Limit(next, b, tenfold, NewCounter("gpt-4o"))
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				for {
					if _, err := c.Complete(t.Context(), request(`,"max_tokens":100`)); err != nil {
						var e *ExceededError
						if !errors.As(err, &e) {
							t.Error(err)
						}
						return
					}
					b.watch(t)
				}
			})
		}
		all.Wait()
		if spent := b.Spent(); spent > limit || spent <= limit-1008-38 || int64(spent) != 38*sent.Load() {
			t.Errorf("%d spent for %d requests", b.Spent(), sent.Load())
		}
	})
}

// The place in the chain: every attempt is paid for on its own, against a real
// server that fails now and then.
func TestEveryAttemptIsPaid(t *testing.T) {
	s, err := standin.Start(standin.Config{Faults: standin.MustFaults("at=1:500,retry-after-ms=1;at=2:cut-body;at=3:bad-json")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	endpoint, err := wire.ParseEndpoint(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, api := range []string{"chat", "responses"} {
		body, err := wire.Encode(api, &llm.Prompt{Messages: []llm.Message{{Role: "user", Content: "echo hi"}}, Params: llm.Params{Model: "gpt-4o", MaxTokens: 50}})
		if err != nil {
			t.Fatal(err)
		}
		b, counter := NewBudget(price.Dollar), NewCounter("gpt-4o")
		c := Limit(wire.NewClient(wire.Options{Endpoint: endpoint, API: api, Timeout: 10 * time.Second, Jobs: 1, Lifetime: t.Context()}), b, tenfold, counter)
		c = retry.New(c, retry.Options{Retries: 5, MaxWait: time.Minute, Jobs: 1})
		resp, err := c.Complete(t.Context(), &llm.Request{Model: "gpt-4o", Body: body})
		if err != nil {
			t.Fatal(err)
		}
		in, _ := counter.Count(body)
		most, _ := Worst(tenfold, in)
		u, ok := price.ParseUsage(resp.Usage)
		want := tenfold.Of(u)
		if api == "chat" { // the first was turned away, two more may have been billed
			want += 2 * most
		}
		if !ok || resp.Text != "hi" || b.Spent() != want || b.reserved != 0 {
			t.Errorf("%s: %+v after %d attempts, %d spent, want %d", api, u, resp.Attempts, b.Spent(), want)
		}
	}
}

// Where no server listens nothing is paid; where one is silent it may be.
func TestNoAnswerFromARealServer(t *testing.T) {
	s, err := standin.Start(standin.Config{Faults: standin.MustFaults("hang"), HangFor: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	endpoint, err := wire.ParseEndpoint(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	counter := NewCounter("gpt-4o")
	ask := func() (price.Nano, error) {
		b := NewBudget(price.Dollar)
		next := wire.NewClient(wire.Options{Endpoint: endpoint, API: "chat", Timeout: 200 * time.Millisecond, Jobs: 1, Lifetime: t.Context()})
		_, err := Limit(next, b, tenfold, counter).Complete(t.Context(), request(`,"max_tokens":20`))
		return b.Spent(), err
	}
	var e *llm.Error
	if spent, err := ask(); spent != inputTokens+200 || !errors.As(err, &e) || e.Type != llm.Timeout {
		t.Errorf("%d spent on silence: %v", spent, err)
	}
	s.Close()
	if spent, err := ask(); spent != 0 || !errors.As(err, &e) || e.Type != llm.Connection {
		t.Errorf("%d spent on nobody: %v", spent, err)
	}
}

func BenchmarkLimit(b *testing.B) {
	next := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
		return &llm.Response{Usage: []byte(`{"prompt_tokens":8,"completion_tokens":3}`)}, nil
	})
	c := Limit(next, NewBudget(1e6*price.Dollar), tenfold, NewCounter("gpt-4o"))
	req := request(`,"max_tokens":100`)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Complete(b.Context(), req); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
