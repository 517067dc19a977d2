package chunk

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"testing"
)

// Benchmark divides the file in GPT_CHUNK_TEXT, or this package's own source, by
// every kind of boundary, beside the counter on the same text. Without an
// encoding it shows what the boundaries alone cost.
func Benchmark(b *testing.B) {
	text := benchText(b)
	e := o200k(b)
	b.Run("count", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			e.Count(string(text))
		}
	})
	for _, by := range []struct {
		name string
		by   By
	}{{"text", ByText}, {"markdown", ByMarkdown}, {"code", ByCode}, {"line", ByLine}, {"none", ByNone}} {
		for _, budget := range []struct {
			name string
			opt  Options
		}{
			{"tokens", Options{Unit: Tokens, Size: 1000, Encoding: e}},
			{"bytes", Options{Unit: Bytes, Size: 4000}},
		} {
			budget.opt.By = by.by
			b.Run(by.name+"/"+budget.name, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					s, err := New(bytes.NewReader(text), budget.opt)
					for err == nil {
						_, err = s.Next()
					}
					if err != io.EOF {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRun divides a megabyte of one mark, which is a single piece to the
// counter.
func BenchmarkRun(b *testing.B) {
	for _, mark := range []string{"-", "=", "*", "\t"} {
		text := bytes.Repeat([]byte(mark), 1<<20)
		b.Run(strconv.Quote(mark), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s, err := New(bytes.NewReader(text), Options{Unit: Tokens, Size: 1000, Encoding: o200k(b)})
				for err == nil {
					_, err = s.Next()
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}

func benchText(b *testing.B) []byte {
	names := []string{os.Getenv("GPT_CHUNK_TEXT")}
	if names[0] == "" {
		names = []string{"chunk.go", "boundary.go", "blocks.go", "chunk_test.go"}
	}
	var text []byte
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		text = append(text, data...)
	}
	return bytes.Repeat(text, 1+1<<20/len(text))
}
