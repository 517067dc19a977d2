package proto

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"runtime"
	"testing"
	"testing/iotest"
	"time"
)

func TestFrames(t *testing.T) {
	frames := make(chan Frame, 3)
	want := []Frame{{OpGet, 1, make([]byte, 32)}, {OK, 1 << 60, []byte{}}, {OpPut, 3, bytes.Repeat([]byte("x"), 3<<20+5)}}
	for _, f := range want {
		frames <- f
	}
	close(frames)
	var b bytes.Buffer
	if err := WriteAll(&b, frames, nil); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(iotest.HalfReader(&b))
	for _, w := range want {
		if f, err := Read(r, MaxFrame); err != nil || !reflect.DeepEqual(f, w) {
			t.Fatalf("frame %d: %v", w.ID, err)
		}
	}
	if _, err := Read(r, MaxFrame); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestBadFrames(t *testing.T) {
	length := func(n uint32, rest int) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, n), make([]byte, rest)...)
	}
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"too long":        {length(MaxFrame+1, 100), ErrFrame},
		"too short":       {length(8, 100), ErrFrame},
		"cut in length":   {[]byte{1, 2}, io.ErrUnexpectedEOF},
		"cut in head":     {length(20, 5), io.ErrUnexpectedEOF},
		"cut before body": {length(20, 9), io.ErrUnexpectedEOF},
		"cut in body":     {length(MaxFrame, 1<<20), io.ErrUnexpectedEOF},
	} {
		if _, err := Read(bufio.NewReader(bytes.NewReader(c.in)), MaxFrame); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// A length that promises much must not cost much.
func TestPromisedLengthTakesNoMemory(t *testing.T) {
	in := append(binary.LittleEndian.AppendUint32(nil, MaxFrame), make([]byte, 100)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	Read(bufio.NewReader(bytes.NewReader(in)), MaxFrame)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20 {
		t.Errorf("%d bytes taken for 100 read", n)
	}
}

func TestMessages(t *testing.T) {
	check := func(want, got any, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
	}
	hello := Hello{Version: 7, Session: [16]byte{1, 2, 3}}
	h, err := ParseHello(append(hello.Append(nil), "what a later version adds"...))
	check(hello, h, err)
	put := Put{Key: Key{9}, TTL: time.Hour, Model: "gpt-4o", Value: []byte("answer")}
	p, err := ParsePut(put.Append(nil))
	check(put, p, err)
	add := Add{Seq: 3, Deltas: map[string]float64{"a": 1.5, `b{c="d"}`: -2}, Gauges: map[string]float64{"e": 7}}
	a, err := ParseAdd(add.Append(nil))
	check(add, a, err)
	counts := Counts{"a": 1e300, "": 0}
	c, err := ParseCounts(counts.Append(nil))
	check(counts, c, err)
	stats := Stats{1, 2, 3, 4, 5, 6, 7, Sharing{8, 9, []BudgetUse{{Budget{"b", 1, 0, 2.5}, 1, 1000, time.Minute}, {}}}}
	s, err := ParseStats(stats.Append(nil))
	check(stats, s, err)
	purge := Purge{Older: time.Minute, Model: "gpt"}
	u, err := ParsePurge(purge.Append(nil))
	check(purge, u, err)
	n, err := ParseCount(Count(42).Append(nil))
	check(Count(42), n, err)
}

// Whatever comes, reading it ends in messages or in the errors of this package, and what was read is written the same.
func FuzzRead(f *testing.F) {
	seed := func(code byte, body []byte) {
		var b bytes.Buffer
		w := bufio.NewWriter(&b)
		Write(w, Frame{code, 1, body})
		w.Flush()
		f.Add(b.Bytes())
	}
	seed(OpHello, Hello{Version: 1}.Append(nil))
	seed(OpGet, make([]byte, 32))
	seed(OpPut, Put{Model: "gpt-4o", Value: []byte("answer")}.Append(nil))
	seed(OpAdd, Add{Seq: 1, Deltas: map[string]float64{"a": 1, "b": 2}}.Append(nil))
	seed(OpStats, Stats{Entries: 1}.Append(nil))
	seed(OpPurge, Purge{Model: "gpt"}.Append(nil))
	f.Fuzz(func(t *testing.T, in []byte) {
		r := bufio.NewReader(bytes.NewReader(in))
		var again bytes.Buffer
		w := bufio.NewWriter(&again)
		for {
			frame, err := Read(r, MaxFrame)
			if err != nil {
				if err != io.EOF && err != io.ErrUnexpectedEOF && !errors.Is(err, ErrFrame) {
					t.Fatalf("untyped error %v", err)
				}
				break
			}
			Write(w, frame)
			parse(t, frame.Body)
		}
		w.Flush()
		if !bytes.HasPrefix(in, again.Bytes()) {
			t.Fatal("what was read is not what is written")
		}
	})
}

func parse(t *testing.T, b []byte) {
	_, err1 := ParseHello(b)
	put, err2 := ParsePut(b)
	add, err3 := ParseAdd(b)
	_, err4 := ParseCounts(b)
	_, err5 := ParseStats(b)
	_, err6 := ParsePurge(b)
	_, err7 := ParseKey(b)
	_, err8 := ParseCount(b)
	for _, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8} {
		if err != nil && err != ErrMessage {
			t.Fatalf("untyped error %v", err)
		}
	}
	if err2 == nil {
		if p, err := ParsePut(put.Append(nil)); err != nil || !reflect.DeepEqual(p, put) {
			t.Fatalf("%+v came back as %+v, %v", put, p, err)
		}
	}
	if err3 == nil {
		if a, err := ParseAdd(add.Append(nil)); err != nil || !reflect.DeepEqual(a, add) {
			t.Fatalf("%+v came back as %+v, %v", add, a, err)
		}
	}
}
