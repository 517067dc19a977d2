package join

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"gptpipe/pkg/record"
)

// BenchmarkJoin gives bytes of JSON Lines a second, beside a plain scan of the
// same bytes for their lines.
func BenchmarkJoin(b *testing.B) {
	for _, size := range []int{100, 4000} {
		lines := benchLines(size, 32<<20)
		run := func(name string, opt Options, lines []string) {
			in := strings.Join(lines, "")
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				opt.TempDir = b.TempDir()
				b.SetBytes(int64(len(in)))
				for b.Loop() {
					joinAll(b, in, opt)
				}
			})
		}
		in := []byte(strings.Join(lines, ""))
		b.Run(fmt.Sprintf("scan/%d", size), func(b *testing.B) {
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				bytes.Count(in, []byte("\n"))
			}
		})
		run("order", Options{}, lines)
		run("jsonl", Options{JSONL: true}, lines)
		shuffled := append([]string(nil), lines...)
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(lines), func(i, k int) { shuffled[i], shuffled[k] = shuffled[k], shuffled[i] })
		run("shuffled", Options{}, shuffled)
		run("spilled", Options{Memory: 4 << 20}, shuffled)
		run("packs", Options{Tokens: 4000, Encoding: o200k(b)}, lines[:len(lines)/16])
	}
}

func benchLines(size, total int) []string {
	words := strings.Fields("It is the text of a book, \"said\" somebody, which goes on\\and on until the end.\n")
	rng := rand.New(rand.NewPCG(3, 4))
	var lines []string
	for at := 0; total > 0; at += size {
		var text strings.Builder
		for text.Len() < size {
			text.WriteString(words[rng.IntN(len(words))])
			text.WriteByte(" \n"[max(0, rng.IntN(12)-10)])
		}
		more := ""
		if total <= size*5/4 {
			more = last
		}
		line := fmt.Sprintf(`{"id":"book#%d","doc":"book","seq":%d,"start":%d,"end":%d,"tokens":%d,"text":%s%s}`+"\n",
			len(lines), len(lines), at, at+size, size/4, record.AppendString(nil, text.String()[:size]), more)
		lines = append(lines, line)
		if more != "" {
			break
		}
		total -= len(line)
	}
	return lines
}

func joinAll(t testing.TB, in string, opt Options) {
	j := New(io.Discard, opt)
	r := record.NewReader(strings.NewReader(in), false)
	r.Reuse()
	for {
		rec, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err := errors.Join(err, j.Add(rec)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}
