package keeper_test

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gptpipe/pkg/hub"
)

// Values of 2 KB, from 1, 8 and 64 callers of one client.

func BenchmarkGet1(b *testing.B)  { benchmark(b, 1, get) }
func BenchmarkGet8(b *testing.B)  { benchmark(b, 8, get) }
func BenchmarkGet64(b *testing.B) { benchmark(b, 64, get) }
func BenchmarkPut1(b *testing.B)  { benchmark(b, 1, put) }
func BenchmarkPut64(b *testing.B) { benchmark(b, 64, put) }

const stored = 10_000

func get(b *testing.B, c *hub.Client, n uint64, value []byte) {
	if _, ok, err := c.Get(b.Context(), number(n%stored)); !ok || err != nil {
		b.Error(ok, err)
	}
}

func put(b *testing.B, c *hub.Client, n uint64, value []byte) {
	if err := c.Put(b.Context(), number(stored+n), value, "gpt-4o", time.Hour); err != nil {
		b.Error(err)
	}
}

func benchmark(b *testing.B, callers int, op func(*testing.B, *hub.Client, uint64, []byte)) {
	c := open(b, b.TempDir())
	value := make([]byte, 2000)
	for i := range value {
		value[i] = " etaoinshrdlu"[rand.N(13)]
	}
	for n := range uint64(stored) {
		put(b, c, n-stored, value)
	}
	b.ResetTimer()
	var next atomic.Uint64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for n := next.Add(1); n <= uint64(b.N); n = next.Add(1) {
				op(b, c, n, value)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
}

func number(n uint64) (k hub.Key) {
	binary.BigEndian.PutUint64(k[:], n*0x9e3779b97f4a7c15) // spread over the key space, as sums are
	return k
}
