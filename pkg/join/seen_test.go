package join

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSeen(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		room := rng.IntN(5 * pageSize)
		start := room
		s, model := newSeen(), map[int64]uint64{}
		highest := int64(-1)
		for range rng.IntN(400) {
			n, digest := rng.Int64N(200), 1+rng.Uint64N(5)
			if rng.IntN(3) == 0 {
				n = s.floor
			}
			first, ok := s.add(n, digest, &room)
			want, there := model[n]
			if ok == there || there && first != want && (first != 0 || n >= s.floor || start >= 200+pageSize) {
				t.Fatalf("seed %d: add(%d) = %d, %v; it has %d, %v", seed, n, first, ok, want, there)
			}
			if !there {
				model[n], highest = digest, max(highest, n)
			}
			if _, ok := model[s.floor]; ok || s.max != highest {
				t.Fatalf("seed %d: the floor is at %d, the greatest %d of %d", seed, s.floor, s.max, highest)
			}
		}
		var got, want []int64
		before := int64(-2)
		for from, to := range s.runs() {
			if from <= before+1 || to < from {
				t.Fatalf("seed %d: run %d to %d behind %d", seed, from, to, before)
			}
			before = to
			for n := from; n <= to; n++ {
				got = append(got, n)
			}
		}
		for n := range model {
			want = append(want, n)
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: runs of %v, want %v", seed, got, want)
		}
		for n, digest := range s.flat(&room) {
			if model[int64(n)] != digest {
				t.Fatalf("seed %d: the digest of %d is %d, want %d", seed, n, digest, model[int64(n)])
			}
		}
		if room < 0 || room > start {
			t.Fatalf("seed %d: room %d of %d is left", seed, room, start)
		}
	}
}

func TestDigestsEnd(t *testing.T) {
	s, room := newSeen(), 3*pageSize+1
	for n := range int64(10*pageSize + 1) {
		s.add(n, uint64(n)+1, &room)
	}
	if len(s.pages) != 4 {
		t.Errorf("%d pages are kept, want 3 and the one in use", len(s.pages))
	}
	for _, n := range []int64{0, 3*pageSize - 1} {
		if first, ok := s.add(n, 7, &room); ok || first != uint64(n)+1 {
			t.Errorf("%d: %d, %v", n, first, ok)
		}
	}
	if first, ok := s.add(5*pageSize, 7, &room); ok || first != 0 {
		t.Errorf("a digest that was to be forgotten: %d, %v", first, ok)
	}
	if got := len(s.flat(&room)); got != 3*pageSize {
		t.Errorf("%d digests are left", got)
	}
}
