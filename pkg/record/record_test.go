package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"
)

func mustParse(t *testing.T, line string) Record {
	t.Helper()
	r, err := Parse([]byte(line))
	if err != nil {
		t.Fatalf("Parse(%q): %v", line, err)
	}
	return r
}

func TestSetKeepsOtherBytes(t *testing.T) {
	tests := []struct{ in, name, value, want string }{
		{`{}`, "a", `1`, `{"a":1}`},
		{`{ }`, "a", `1`, `{"a":1 }`},
		{`{"n":1.000e+02 , "s":"\u0041\/"}`, "r", `"x"`, `{"n":1.000e+02 , "s":"\u0041\/","r":"x"}`},
		{`{"r" : [1, 2] ,"z":12345678901234567890}`, "r", `null`, `{"r" : null ,"z":12345678901234567890}`},
		{`{"a.b":1,"a":{"b":2}}`, "a.b", `3`, `{"a.b":3,"a":{"b":2}}`},
		{`{"te\u0078t":"old"}`, "text", `"new"`, `{"te\u0078t":"new"}`},
		{`{"x":1,"x":2}`, "x", `3`, `{"x":1,"x":3}`},
		{`{"a":{"text":"inner"}}`, "text", `"outer"`, `{"a":{"text":"inner"},"text":"outer"}`},
		{`  {"a":1}  `, `q"\`, `2`, `{"a":1,"q\"\\":2}`},
	}
	for _, test := range tests {
		r := mustParse(t, test.in)
		r.Set(test.name, []byte(test.value))
		if got := string(r.Bytes()); got != test.want {
			t.Errorf("%s: set %s: got %s, want %s", test.in, test.name, got, test.want)
		}
		if v, ok := r.Get(test.name); !ok || string(v) != test.value {
			t.Errorf("%s: get %s after set: %q, %v", test.in, test.name, v, ok)
		}
	}
}

func TestSetLeavesCopiesAlone(t *testing.T) {
	first := mustParse(t, `{"a":1,"b":2}`)
	second := first
	second.Set("a", []byte(`"long value"`))
	second.Set("c", []byte(`3`))
	if got := string(first.Bytes()); got != `{"a":1,"b":2}` {
		t.Errorf("the copy changed the original: %s", got)
	}
	if v, _ := first.Get("b"); string(v) != "2" {
		t.Errorf("the copy changed the original's fields: b is %s", v)
	}
}

func TestDelete(t *testing.T) {
	tests := []struct{ in, name, want string }{
		{`{"a":1}`, "a", `{}`},
		{`{"a":1, "b":2}`, "a", `{"b":2}`},
		{`{"a":1, "b":2}`, "b", `{"a":1}`},
		{`{"a":1,"b":2,"a":3}`, "a", `{"b":2}`},
		{`{"a":1}`, "b", `{"a":1}`},
	}
	for _, test := range tests {
		r := mustParse(t, test.in)
		r.Delete(test.name)
		if got := string(r.Bytes()); got != test.want {
			t.Errorf("%s: delete %s: got %s, want %s", test.in, test.name, got, test.want)
		}
	}
}

func TestTextDecodesAsEncodingJSON(t *testing.T) {
	for _, s := range []string{
		`""`, `"plain"`, `"\"\\\/\b\f\n\r\t"`, `"\u00e9\u4e2d"`, `"\ud83d\ude00!"`,
		`"\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`, `"\ude00\ud83d"`, `"\u0000"`, `"é中😀"`,
	} {
		var want string
		if err := json.Unmarshal([]byte(s), &want); err != nil {
			t.Fatal(err)
		}
		if got := Text([]byte(s)); got != want {
			t.Errorf("Text(%s) = %q, want %q", s, got, want)
		}
		if got := string(AppendText([]byte("before "), []byte(s))); got != "before "+want {
			t.Errorf("AppendText of %s: %q", s, got)
		}
	}
	if got := Text([]byte(`{"a": 1.0}`)); got != `{"a": 1.0}` {
		t.Errorf("a value that is no string came as %q", got)
	}
}

func TestCurrentValue(t *testing.T) {
	r := mustParse(t, `{"text":"t","x":1}`)
	if got := r.Current(""); got != "text" {
		t.Errorf("without response: %q", got)
	}
	if got := r.Current("x"); got != "x" {
		t.Errorf("named: %q", got)
	}
	r.Set("response", []byte(`""`))
	if got := r.Current(""); got != "response" {
		t.Errorf("with response: %q", got)
	}
}

// Only what these commands write is an error of theirs.
func TestFailed(t *testing.T) {
	for line, want := range map[string]string{
		`{"text":"t"}`:                                    "no",
		`{"error":null}`:                                  "no",
		`{"error":"disk full"}`:                           "no",
		`{"error":["type"]}`:                              "no",
		`{"error":{}}`:                                    "no",
		`{"error":{"type":4}}`:                            "no",
		`{"error":{"Type":"timeout"}}`:                    "no",
		`{"error":{"type":"timeout"}}`:                    "timeout",
		`{"error" : { "x":{} , "type" : "time\u006fut"}}`: "timeout",
		`{"error":{"type":"timeout"},"error":"mine"}`:     "no",
	} {
		r, err := Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		kind, failed := r.Failed()
		if !failed {
			kind = "no"
		}
		if kind != want {
			t.Errorf("%s: %s, want %s", line, kind, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, line := range []string{
		``, ` `, `{`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `[1]`, `12`, `null`, `{"a":01}`, `{"a":1.}`, `{"a":+1}`,
		`{"a":"\x"}`, `{"a":"\u12g4"}`, "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}", `{"a":1} {"b":2}`, `{"a":tru}`, `{"a":"b`,
		strings.Repeat("[", 1_000_000), `{"a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
	} {
		if _, err := Parse([]byte(line)); err == nil {
			t.Errorf("%.40q was taken as a record", line)
		}
	}
}

func TestReader(t *testing.T) {
	in := "\ufeff{\"a\":1}\r\n\n  \t\n\"words\"\n[1]\n{\"b\":2}"
	r := NewReader(iotest.OneByteReader(strings.NewReader(in)), false)
	var got []string
	for {
		rec, err := r.Read()
		var bad *LineError
		switch {
		case errors.Is(err, io.EOF):
			want := `1 {"a":1}|4 {"text":"words"}|bad 5 [1]|6 {"b":2}`
			if s := strings.Join(got, "|"); s != want {
				t.Errorf("got  %s\nwant %s", s, want)
			}
			return
		case errors.As(err, &bad):
			got = append(got, "bad "+string(AppendInt(nil, int64(bad.Line)))+" "+string(bad.Input))
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, string(AppendInt(nil, int64(rec.Line)))+" "+string(rec.Bytes()))
		}
	}
}

func TestReaderLongLine(t *testing.T) {
	const size = 65 << 20
	long := strings.Repeat("x", size)
	r := NewReader(strings.NewReader(`{"text":"`+long+`","n":1}`+"\n{}\n"), false)
	rec, err := r.Read()
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := rec.Text("text"); len(text) != size {
		t.Errorf("text has %d bytes, want %d", len(text), size)
	}
	if rec, err = r.Read(); err != nil || string(rec.Bytes()) != "{}" {
		t.Errorf("the line after it: %s, %v", rec.Bytes(), err)
	}
}

// With Reuse the records are the same, one at a time, and short lines cost no
// memory.
func TestReaderReuse(t *testing.T) {
	var in strings.Builder
	for i := range 50 {
		in.WriteString(`{"te\u0078t":"` + strings.Repeat("x", i*i*100) + "\",\"n\":1}\n\"word\"\r\n[1]\n\n")
	}
	fresh, again := NewReader(strings.NewReader(in.String()), false), NewReader(strings.NewReader(in.String()), false)
	again.Reuse()
	for {
		want, wantErr := fresh.Read()
		got, err := again.Read()
		var bad, wantBad *LineError
		switch {
		case errors.As(err, &bad) && errors.As(wantErr, &wantBad):
			if bad.Line != wantBad.Line || string(bad.Input) != string(wantBad.Input) {
				t.Fatalf("%v: %q, want %q", err, bad.Input, wantBad.Input)
			}
		case err == io.EOF && wantErr == io.EOF:
			return
		case err != nil || wantErr != nil:
			t.Fatal(err, wantErr)
		}
		text, _ := got.Text("text")
		if wantText, _ := want.Text("text"); string(got.Bytes()) != string(want.Bytes()) || got.Line != want.Line || text != wantText {
			t.Fatalf("line %d: %.100s, want %.100s", got.Line, got.Bytes(), want.Bytes())
		}
	}
}

func TestReaderRaw(t *testing.T) {
	r := NewReader(strings.NewReader("{\"not\": parsed\r\n\nsay \"hi\"\t\xe4\nlast"), true)
	rec, err := r.Read()
	if err != nil || string(rec.Bytes()) != `{"text":"{\"not\": parsed"}` {
		t.Errorf("got %s, %v", rec.Bytes(), err)
	}
	var bad *LineError
	if _, err := r.Read(); !errors.As(err, &bad) || bad.Line != 3 {
		t.Errorf("invalid UTF-8: %v", err)
	}
	out := bad.Record()
	if !json.Valid(out.Bytes()) {
		t.Errorf("the answer in its place is not JSON: %s", out.Bytes())
	}
	if rec, err = r.Read(); err != nil || string(rec.Bytes()) != `{"text":"last"}` {
		t.Errorf("got %s, %v", rec.Bytes(), err)
	}
}

func TestErrorJSON(t *testing.T) {
	got := string(Error{Type: "server", Code: "x\n", Status: 500, Message: `say "no"`}.JSON())
	if want := `{"type":"server","code":"x\n","status":500,"message":"say \"no\""}`; got != want {
		t.Errorf("got %s", got)
	}
	got = string(Error{Type: "connection", Message: "m"}.JSON())
	if want := `{"type":"connection","code":null,"status":null,"message":"m"}`; got != want {
		t.Errorf("got %s", got)
	}
}

// FuzzParse holds the scanner against encoding/json: they accept the same
// objects, find the same fields, and a round trip changes no byte.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"a":1}`, `{"a":"\ud83d\ude00","b":[1,{"c":null}],"a":-0.1e+5}`, ` { "x" : true } `, `"s\n"`, `{"a":tru}`,
	} {
		f.Add(s, "a", "text")
	}
	f.Fuzz(func(t *testing.T, line, name, text string) {
		if !utf8.ValidString(name) || !utf8.ValidString(text) {
			t.Skip() // they come from flags and decoded answers, which are valid
		}
		r, err := Parse([]byte(line))
		trimmed := trimSpace([]byte(line))
		isObject := len(trimmed) > 0 && trimmed[0] == '{'
		isString := len(trimmed) > 0 && trimmed[0] == '"'
		want := json.Valid([]byte(line)) && (isObject || isString) && utf8.ValidString(line)
		if (err == nil) != want {
			t.Fatalf("Parse(%q) = %v, encoding/json says valid = %v", line, err, want)
		}
		if err != nil {
			return
		}
		if isObject && !bytes.Equal(r.Bytes(), trimmed) {
			t.Fatalf("%q became %q", trimmed, r.Bytes())
		}
		var before map[string]json.RawMessage
		if err := json.Unmarshal(r.Bytes(), &before); err != nil {
			t.Fatal(err)
		}
		for k, v := range before {
			if got, ok := r.Get(k); !ok || !bytes.Equal(got, v) {
				t.Fatalf("field %q of %q: got %q, want %q", k, line, got, v)
			}
		}
		r.Set(name, AppendString(nil, text))
		var after map[string]json.RawMessage
		if err := json.Unmarshal(r.Bytes(), &after); err != nil {
			t.Fatalf("set %q made invalid JSON %q: %v", name, r.Bytes(), err)
		}
		var got string
		if err := json.Unmarshal(after[name], &got); err != nil || got != text {
			t.Fatalf("set %q to %q: got %q, %v from %q", name, text, got, err, r.Bytes())
		}
		r.Delete(name)
		if !json.Valid(r.Bytes()) {
			t.Fatalf("delete %q made invalid JSON %q", name, r.Bytes())
		}
		if _, ok := r.Get(name); ok {
			t.Fatalf("%q is still there after delete: %q", name, r.Bytes())
		}
	})
}

func BenchmarkParseGetSet(b *testing.B) {
	line := []byte(`{"id":"book.txt#12","doc":"book.txt","seq":12,"start":12345,"end":12900,"tokens":120,"text":"` +
		strings.Repeat(`It was the best of times, it was the worst of times.\n`, 10) + `"}`)
	answer := []byte(`"A short answer."`)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		r, err := Parse(line)
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := r.Text("text"); !ok {
			b.Fatal("no text")
		}
		r.Set("response", answer)
	}
}
