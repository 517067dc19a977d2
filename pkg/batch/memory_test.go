package batch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"

	"gptpipe/pkg/record"
	"gptpipe/test/standin"
)

var memoryLines = flag.Int("memory.lines", 40_000, "requests of TestMemory")

// Memory does not grow with the input: all that is done with the requests and
// the results of many, but for sending them, which the server's own memory
// would drown.
func TestMemory(t *testing.T) {
	const most = 24 << 20
	n := *memoryLines
	s := start(t, standin.Config{})
	tr := newTrial(t, s, nil)
	tr.test = tuning{}
	tr.test.fill()
	var peak uint64
	measure := func(i int) {
		if i%(n/20) == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapInuse)
		}
	}
	tr.Requests = func(yield func(Request, error) bool) {
		var body, data []byte
		for i := range n {
			measure(i)
			body = fmt.Appendf(body[:0], `{"model":"gpt-test","messages":[{"role":"user","content":"echo text %d"}]}`, i)
			data = fmt.Appendf(data[:0], "text %d", i)
			if !yield(Request{Model: "gpt-test", Body: body, Data: data}, nil) {
				return
			}
		}
	}
	next := 0
	tr.Emit = func(r Result) error {
		measure(next)
		if want := fmt.Sprintf("text %d", next); r.Err != nil || r.Response.Text != want || string(r.Data) != want {
			return fmt.Errorf("result %d is %+v", next, r)
		}
		next++
		return nil
	}
	r, err := open(&tr.Job)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := r.plan(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, p := range r.state.Parts {
		if err := answer(r, p); err != nil {
			t.Fatal(err)
		}
		p.Collected = true
		if err := r.take(p); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.emit(); err != nil {
		t.Fatal(err)
	}
	if next != n {
		t.Errorf("%d results of %d", next, n)
	}
	t.Logf("%d requests in %d parts, at most %.1f MB of heap", n, len(r.state.Parts), float64(peak)/1e6)
	if peak > most {
		t.Errorf("more than %d MB", most>>20)
	}
}

// answer writes the results of a part, every second line first.
func answer(r *run, p *part) error {
	f, err := os.Create(r.resultsOf(p))
	if err != nil {
		return err
	}
	defer f.Close()
	out := bufio.NewWriter(f)
	var line []byte
	for _, odd := range []int{0, 1} {
		err := r.eachRequest(p, func(n int, _ sum, request []byte) error {
			if n%2 != odd {
				return nil
			}
			in, err := ParseInput(request)
			if err != nil {
				return err
			}
			var body struct{ Messages []struct{ Content string } }
			if err := json.Unmarshal(in.Body, &body); err != nil {
				return err
			}
			answer := append([]byte(nil), `{"model":"gpt-test","choices":[{"message":{"content":`...)
			answer = record.AppendString(answer, body.Messages[0].Content[len("echo "):])
			answer = append(answer, `},"finish_reason":"stop"}]}`...)
			line = AppendOutput(line[:0], Output{CustomID: in.CustomID, Status: 200, Body: answer})
			_, err = out.Write(line)
			return err
		})
		if err != nil {
			return err
		}
	}
	return out.Flush()
}

func TestIndex(t *testing.T) {
	x, err := newIndex(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	at := func(i int) (sum, place) {
		var s sum
		h := sha256.Sum256(fmt.Append(nil, i/4))
		s = sum(h[:16])
		s[8] += byte(i % 4) // of four, all begin at one slot
		return s, place{kind: kind(1 + i%4), part: i, offset: int64(i) << 33, length: i * 3, wanted: i%3 == 0}
	}
	const n = 5000
	for range 2 {
		for i := range n {
			s, p := at(i)
			if err := x.put(s, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range n {
		s, p := at(i)
		if got, err := x.get(s); err != nil || got != p {
			t.Fatalf("%d: %+v, %v", i, got, err)
		}
		s[15]++
		if got, err := x.get(s); err != nil || got.kind != unknown {
			t.Fatalf("%d: found what is not there: %+v, %v", i, got, err)
		}
	}
	if x.used != n {
		t.Errorf("%d used", x.used)
	}
}

func TestLines(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 600<<10)
	text := append([]byte("a\r\n\nb"), '\n')
	text = append(append(text, long...), "\nend"...)
	l := newLines(bytes.NewReader(text))
	for _, want := range []struct {
		line   string
		offset int64
	}{{"a", 0}, {"", 3}, {"b", 4}, {string(long), 6}, {"end", int64(len(text)) - 3}} {
		line, offset, err := l.read()
		if err != nil || string(line) != want.line || offset != want.offset {
			t.Fatalf("%.20q at %d, %v; want %.20q at %d", line, offset, err, want.line, want.offset)
		}
	}
	if _, _, err := l.read(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
