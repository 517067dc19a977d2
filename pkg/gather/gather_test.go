package gather

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
	"gptpipe/pkg/retry"
)

// A model answers "re TEXT" for each text; one that has "bad" in it is invalid, over "sick" it fails, and "down" is
// an error of the server that has to do with no text.
type model struct {
	wrong                  bool // whatever it is asked is invalid
	outage                 atomic.Bool
	requests, inputs, most atomic.Int64
	under, mostUnder       atomic.Int64
}

func (m *model) Complete(_ context.Context, req *llm.Request) (*llm.Response, error) {
	m.requests.Add(1)
	if n := m.under.Add(1); n > m.mostUnder.Load() {
		m.mostUnder.Store(n)
	}
	defer m.under.Add(-1)
	var body struct {
		Model string
		Input json.RawMessage
		End   int
	}
	if err := json.Unmarshal(req.Body, &body); err != nil || body.Model != "m" || body.End != 1 {
		return nil, fmt.Errorf("body %s: %v", req.Body, err)
	}
	var texts []string
	var one string
	if json.Unmarshal(body.Input, &one) == nil {
		texts = []string{one}
	} else if err := json.Unmarshal(body.Input, &texts); err != nil {
		return nil, err
	}
	m.inputs.Add(int64(len(texts)))
	if n := int64(len(texts)); n > m.most.Load() {
		m.most.Store(n)
	}
	if m.wrong {
		return nil, &llm.Error{Type: llm.InvalidRequest, Status: 400, Message: "no such dimension"}
	}
	if m.outage.Load() {
		return nil, &llm.Error{Type: llm.Server, Status: 500, Retry: true}
	}
	var lines []string
	for _, text := range texts {
		if strings.Contains(text, "bad") {
			return nil, &llm.Error{Type: llm.InvalidRequest, Status: 400}
		}
		if strings.Contains(text, "down") {
			return nil, &llm.Error{Type: llm.Server, Status: 503}
		}
		if strings.Contains(text, "sick") {
			return nil, &llm.Error{Type: llm.Server, Status: 500, Retry: true}
		}
		lines = append(lines, "re "+text)
	}
	return &llm.Response{Text: strings.Join(lines, "\n"), Usage: []byte(`{}`)}, nil
}

func request(text string) *llm.Request {
	body := append([]byte(`{"model":"m","input":`), record.AppendString(nil, text)...)
	return &llm.Request{Model: "m", Body: append(body, `,"end":1}`...)}
}

// Each gets its own answer, in few requests, and what is at fault fails alone.
func TestGather(t *testing.T) {
	m := new(model)
	c := New(m, 4, true)
	var wg sync.WaitGroup
	for i := range 3000 {
		text := fmt.Sprintf("text %d \"é\"", i)
		if i%1000 == 7 {
			text = fmt.Sprint("bad ", i)
		}
		wg.Go(func() {
			resp, err := c.Complete(t.Context(), request(text))
			var e *llm.Error
			if strings.HasPrefix(text, "bad") {
				if !errors.As(err, &e) || e.Type != llm.InvalidRequest {
					t.Errorf("%s: %v", text, err)
				}
			} else if err != nil || resp.Text != "re "+text {
				t.Errorf("%s: %+v, %v", text, resp, err)
			}
		})
	}
	wg.Wait()
	if m.requests.Load() > 600 || m.most.Load() > MaxInputs || m.mostUnder.Load() > 4 {
		t.Errorf("%d requests, of %d texts at most, %d at once", m.requests.Load(), m.most.Load(), m.mostUnder.Load())
	}
	t.Logf("%d requests for 3000 texts", m.requests.Load())
}

// What is refused for what all have in common is not divided down to each text; a bad text in each half is no proof of
// that, and good ones beside them are answered.
func TestWhatIsAtFault(t *testing.T) {
	all := func(m *model, text func(i int) string) (failed int64) {
		c := New(m, 4, true)
		var n atomic.Int64
		var wg sync.WaitGroup
		for i := range 2000 {
			wg.Go(func() {
				_, err := c.Complete(t.Context(), request(text(i)))
				bad := m.wrong || strings.Contains(text(i), "bad")
				if (err != nil) != bad {
					t.Errorf("%s: %v", text(i), err)
				}
				if err != nil {
					n.Add(1)
				}
			})
		}
		wg.Wait()
		return n.Load()
	}
	m := &model{wrong: true}
	if failed := all(m, func(i int) string { return fmt.Sprint("text ", i) }); failed != 2000 || m.requests.Load() > 1000 {
		t.Errorf("%d failed of 2000, in %d requests", failed, m.requests.Load())
	}
	t.Logf("%d requests where all are refused", m.requests.Load())
	m = new(model)
	bad := func(i int) string {
		if i%2 == 0 {
			return fmt.Sprint("bad ", i)
		}
		return fmt.Sprint("text ", i)
	}
	if failed := all(m, bad); failed != 1000 {
		t.Errorf("%d failed of 1000", failed)
	}
}

// A failure of the server is that of all who asked together; and one alone is asked as it is.
func TestFailure(t *testing.T) {
	m := new(model)
	c := New(m, 1, true)
	var wg sync.WaitGroup
	var failed atomic.Int64
	for i := range 10 {
		wg.Go(func() {
			if _, err := c.Complete(t.Context(), request(fmt.Sprint("down ", i))); err != nil {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if failed.Load() != 10 {
		t.Errorf("%d of 10 failed", failed.Load())
	}
	resp, err := c.Complete(t.Context(), request("alone"))
	if err != nil || resp.Text != "re alone" || resp.Usage == nil {
		t.Errorf("%+v, %v", resp, err)
	}
}

// What the server fails over fails alone, while all others are answered; with one sender too, where no other request
// shows that the server is well.
func TestServerFailsOverTexts(t *testing.T) {
	for _, senders := range []int{1, 4} {
		m := new(model)
		attempts := retry.New(m, retry.Options{Retries: 1, Jobs: senders})
		c := New(attempts, senders, true)
		var wg sync.WaitGroup
		for i := range 1000 {
			text := fmt.Sprint("text ", i)
			if i%500 == 77 {
				text = fmt.Sprint("sick ", i)
			}
			wg.Go(func() {
				resp, err := c.Complete(t.Context(), request(text))
				if sick := strings.HasPrefix(text, "sick"); sick != (err != nil) || !sick && resp.Text != "re "+text {
					t.Errorf("%s: %+v, %v", text, resp, err)
				}
			})
		}
		wg.Wait()
		if n := m.requests.Load(); n > 200 {
			t.Errorf("%d requests", n)
		}
		t.Logf("%d senders: %d requests for 1000 texts", senders, m.requests.Load())
	}
}

// Texts of one group at fault do not wait for one another, as long as there are senders.
func TestManyAtFault(t *testing.T) {
	var alone atomic.Int64
	two := make(chan struct{}) // are asked for alone at one time
	m := new(model)
	c := New(llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		if strings.Contains(string(req.Body), `"input":"sick`) {
			if alone.Add(1) == 2 {
				close(two)
			}
			select {
			case <-two:
			case <-time.After(5 * time.Second):
				t.Error("they are asked for one after the other")
			}
		}
		return m.Complete(ctx, req)
	}), 4, true)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if _, err := c.Complete(t.Context(), request(fmt.Sprint("sick ", i))); err == nil {
				t.Errorf("text %d is answered", i)
			}
		})
	}
	wg.Wait()
}

// In an outage nothing is divided, whenever it begins: the requests under way may be once.
func TestOutage(t *testing.T) {
	for _, good := range []int64{0, 3} {
		m := new(model)
		m.outage.Store(good == 0)
		c := New(llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
			resp, err := m.Complete(ctx, req)
			if m.requests.Load() >= good {
				m.outage.Store(true)
			}
			return resp, err
		}), 4, true)
		var wg sync.WaitGroup
		var failed atomic.Int64
		for i := range 3000 {
			wg.Go(func() {
				if _, err := c.Complete(t.Context(), request(fmt.Sprint("text ", i))); err != nil {
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		again := m.inputs.Load() - 3000 - m.requests.Load() // at most one text in each request shows whether the server is up
		if failed.Load() == 0 || good == 0 && again > 0 || again > 2*4*MaxInputs {
			t.Errorf("%d failed, and %d were asked for again", failed.Load(), again)
		}
		t.Logf("%d requests for %d texts, %d of 3000 failed", m.requests.Load(), m.inputs.Load(), failed.Load())
	}
}

// A part that meets an outage has all attempts again, which may outlast it.
func TestOutageWhileDividing(t *testing.T) {
	m := new(model)
	var once []bool // by request, whether it has one attempt
	g := New(llm.Func(func(ctx context.Context, req *llm.Request) (*llm.Response, error) {
		once = append(once, req.Divides)
		m.outage.Store(len(once) == 3 || len(once) == 4) // the first part, and the text that shows whether the server is up
		return m.Complete(ctx, req)
	}), 1, true).(*gatherer)
	var group []*asked
	for _, text := range []string{"one", "two", "sick", "three"} {
		req := request(text)
		group = append(group, &asked{ctx: t.Context(), req: req, input: record.AppendString(nil, text), done: make(chan struct{})})
	}
	g.senders <- struct{}{}
	g.ask(group, false)
	<-g.senders
	for i, a := range group {
		if <-a.done; (a.err != nil) != (i == 2) {
			t.Errorf("text %d: %+v, %v", i, a.resp, a.err)
		}
	}
	// All; up? Yes; one and two; up? No; these again; sick and three; up? Yes; sick; three.
	if want := []bool{false, true, true, true, false, true, true, false, false}; !slices.Equal(once, want) {
		t.Errorf("requests with one attempt: %v, not %v", once, want)
	}
}

// Large texts do not go together beyond what a request may have.
func TestSize(t *testing.T) {
	m := new(model)
	c := New(m, 1, true)
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if _, err := c.Complete(t.Context(), request(strings.Repeat("x", 100_000))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if m.most.Load() > 2 {
		t.Errorf("%d texts of 100 kB together", m.most.Load())
	}
}

func TestAnswerOfAnotherNumber(t *testing.T) {
	c := New(llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
		return &llm.Response{Text: "one\ntwo"}, nil
	}), 1, true)
	var e *llm.Error
	if _, err := c.Complete(t.Context(), request("x")); !errors.As(err, &e) || e.Type != llm.BadResponse {
		t.Error(err)
	}
}

// An answer with too few lines is asked for once more, if that may be, and no oftener.
func TestTooFewAnswers(t *testing.T) {
	for _, test := range []struct {
		short, requests int64
		again, failed   bool
	}{{1, 2, true, false}, {2, 2, true, true}, {1, 1, false, true}} {
		var asked atomic.Int64
		c := New(llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
			if asked.Add(1) <= test.short {
				return &llm.Response{Text: "two\nlines"}, nil
			}
			return &llm.Response{Text: "one"}, nil
		}), 1, test.again)
		resp, err := c.Complete(t.Context(), request("x"))
		if (err != nil) != test.failed || err == nil && resp.Text != "one" || asked.Load() != test.requests {
			t.Errorf("%+v: %v, %v after %d requests", test, resp, err, asked.Load())
		}
	}
}
