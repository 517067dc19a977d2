package proto

import (
	"reflect"
	"testing"
	"time"
)

func TestStorageMessages(t *testing.T) {
	check := func(want, got any, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
	}
	list := List{From: Key{7}, Max: 3, Values: true}
	l, err := ParseList(list.Append(nil))
	check(list, l, err)
	now := time.Unix(0, 1764000000123456789).UTC()
	entry := Entry{Key: Key{1}, Stored: now, Expires: now.Add(time.Hour), Size: 6, Model: "gpt-4o", Value: []byte("answer")}
	e, err := ParseEntry(entry.Append(nil))
	check(entry, e, err)
	entries := Entries{List: []Entry{entry, {Stored: now, Value: []byte{}}}, More: true, Next: Key{2}}
	es, err := ParseEntries(entries.Append(nil))
	check(entries, es, err)
	storage := Storage{Bound: 1, Generations: 2, Memory: "nfs", Broken: []string{"a", "b"}}
	s, err := ParseStorage(storage.Append(nil))
	check(storage, s, err)
	hello := Hello{Version: 7, Session: [16]byte{1}, Stays: true, Notice: string(make([]byte, MaxNotice))}
	h, err := ParseHello(hello.Append(nil))
	check(hello, h, err)
	if n := headerSize + len(hello.Append(nil)); n > MaxHello {
		t.Errorf("a hello of %d bytes is longer than %d", n, MaxHello)
	}
}

// What can be stored can be listed, and brought elsewhere.
func TestTheLargestEntryFits(t *testing.T) {
	e := Entry{Model: string(make([]byte, MaxModel)), Value: make([]byte, MaxValue)}
	if n := headerSize + len(Entries{List: []Entry{e}}.Append(nil)); n > MaxFrame {
		t.Errorf("%d bytes in a frame of %d", n, MaxFrame)
	}
}

func FuzzStorage(f *testing.F) {
	e := Entry{Model: "gpt-4o", Value: []byte("answer")}
	f.Add(List{Max: 1}.Append(nil))
	f.Add(e.Append(nil))
	f.Add(Entries{List: []Entry{e, e}}.Append(nil))
	f.Add(Storage{Broken: []string{"a"}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, err1 := ParseList(b)
		e, err2 := ParseEntry(b)
		es, err3 := ParseEntries(b)
		_, err4 := ParseStorage(b)
		for _, err := range []error{err1, err2, err3, err4} {
			if err != nil && err != ErrMessage {
				t.Fatalf("untyped error %v", err)
			}
		}
		if err2 == nil {
			if again, err := ParseEntry(e.Append(nil)); err != nil || !reflect.DeepEqual(again, e) {
				t.Fatalf("%+v came back as %+v, %v", e, again, err)
			}
		}
		if err3 == nil {
			if again, err := ParseEntries(es.Append(nil)); err != nil || !reflect.DeepEqual(again, es) {
				t.Fatalf("%+v came back as %+v, %v", es, again, err)
			}
		}
	})
}

// Times that nanoseconds cannot tell are taken for the nearest that they can, and the zero time stays what it is.
func TestTimes(t *testing.T) {
	for in, want := range map[string]string{
		"0001-01-01T00:00:00Z": "0001-01-01T00:00:00Z",
		"0001-01-02T00:00:00Z": "1677-09-21T00:12:43Z",
		"1970-01-01T00:00:00Z": "1970-01-01T00:00:00Z",
		"2026-01-02T03:04:05Z": "2026-01-02T03:04:05Z",
		"9999-12-31T23:59:59Z": "2262-04-11T23:47:16Z",
	} {
		at, err := time.Parse(time.RFC3339, in)
		if err != nil {
			t.Fatal(err)
		}
		e, err := ParseEntry(Entry{Stored: at, Expires: at}.Append(nil))
		if err != nil || e.Stored.Format(time.RFC3339) != want || !e.Expires.Equal(e.Stored) || e.Stored.IsZero() != at.IsZero() {
			t.Errorf("%s became %v, %v, %v", in, e.Stored, e.Expires, err)
		}
	}
}
