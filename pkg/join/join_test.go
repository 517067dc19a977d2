package join

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"gptpipe/pkg/chunk"
	"gptpipe/pkg/record"
	"gptpipe/pkg/token"
)

// join joins lines of JSON and returns what was written and told.
func join(t testing.TB, opt Options, lines ...string) (out string, problems []string, incomplete bool) {
	t.Helper()
	var buf bytes.Buffer
	opt.Report = func(p Problem) { problems = append(problems, p.String()) }
	j := New(&buf, opt)
	for i, line := range lines {
		rec, err := record.Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		rec.Line = i + 1
		if err := j.Add(rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String(), problems, j.Incomplete()
}

func text(doc string, seq, start, end int, text string, more string) string {
	return fmt.Sprintf(`{"id":"%s#%d","doc":"%s","seq":%d,"start":%d,"end":%d,"text":%q%s}`, doc, seq, doc, seq, start, end, text, more)
}

func answer(doc string, seq int, response, more string) string {
	return fmt.Sprintf(`{"doc":"%s","seq":%d,"start":0,"end":9,"text":"asked","response":%s%s}`, doc, seq, response, more)
}

func failure(doc string, seq int, more string) string {
	return fmt.Sprintf(`{"doc":"%s","seq":%d,"text":"asked","error":{"type":"timeout","message":"too slow"}%s}`, doc, seq, more)
}

const last = `,"last":true`

func str(s string) *string { return &s }

func TestJoin(t *testing.T) {
	for _, test := range []struct {
		name       string
		opt        Options
		in         []string
		want       string
		problems   []string
		incomplete bool
	}{
		{name: "nothing"},
		{name: "cut texts", in: []string{text("a", 0, 0, 4, "one ", ""), text("a", 1, 4, 8, "two\n", last), text("b", 0, 0, 1, "x", last)}, want: "one two\nx"},
		{name: "any order", in: []string{text("a", 2, 8, 9, "!", last), text("a", 0, 0, 4, "one ", ""), text("a", 1, 4, 8, "two\n", "")}, want: "one two\n!"},
		{name: "overlap", in: []string{text("a", 0, 0, 4, "one ", ""), text("a", 1, 2, 8, "e two\n", ""), text("a", 2, 8, 9, "!", last)}, want: "one two\n!"},
		{name: "overlap behind a replacement", in: []string{text("a", 0, 0, 4, "\ufffd\ufffdab", ""), text("a", 1, 3, 6, "b\ufffdc", last)}, want: "\ufffd\ufffdab\ufffdc"},
		{name: "answers", in: []string{answer("a", 0, `"One."`, ""), answer("a", 1, `"Two."`, last), answer("b", 0, `"Three."`, last)}, want: "One.\n\nTwo.\n\nThree.\n"},
		{name: "values", in: []string{answer("a", 0, `{"k" : [1, 2.50] }`, ""), answer("a", 1, `null`, last)}, want: "{\"k\":[1,2.50]}\n\nnull\n"},
		{name: "interleaved", in: []string{answer("a", 0, `"a0"`, ""), answer("b", 0, `"b0"`, ""), answer("b", 1, `"b1"`, last), answer("a", 1, `"a1"`, last)}, want: "a0\n\na1\n\nb0\n\nb1\n"},
		{name: "separator", opt: Options{Sep: str("--")}, in: []string{text("a", 0, 0, 1, "x", ""), text("a", 1, 1, 2, "y", last), answer("b", 0, `"z"`, last)}, want: "x--y--z"},
		{name: "anonymous", in: []string{`{"text":"one"}`, `{"response":"two"}`, `{"text":"three","start":1,"end":2}`}, want: "one\n\ntwo\n\nthree\n"},
		{name: "field", opt: Options{In: "k"}, in: []string{`{"k":"one","text":"x"}`, `{"k":2,"error":{}}`}, want: "one\n\n2\n"},
		{
			name: "text of mapped records", opt: Options{In: "text"},
			in: []string{text("a", 0, 0, 1, "x", `,"response":"r"`), text("a", 1, 0, 2, "xy", last+`,"error":{"type":"timeout"}`)}, want: "xy",
		},
		{
			name: "missing", in: []string{text("a", 0, 0, 1, "x", ""), text("a", 2, 2, 3, "z", last), text("b", 0, 0, 1, "y", last)},
			want: "xy", problems: []string{"a#1: missing"}, incomplete: true,
		},
		{
			name: "no last", in: []string{text("a", 0, 0, 1, "x", ""), text("b", 1, 0, 1, "y", last)},
			want: "x", problems: []string{"a: no last chunk, missing from a#1 on", "b#0: missing"}, incomplete: true,
		},
		{
			name: "failed", in: []string{answer("a", 0, `"x"`, ""), failure("a", 1, ""), answer("a", 3, `"z"`, last), answer("b", 0, `"y"`, last)},
			want: "x\n\ny\n", problems: []string{"a#1: failed: timeout: too slow", "a#2: missing"}, incomplete: true,
		},
		{
			name: "failed in the middle of what waits", in: []string{answer("a", 4, `"4"`, last), failure("a", 2, ""), answer("a", 3, `"3"`, ""), answer("a", 1, `"1"`, ""), answer("a", 0, `"0"`, "")},
			want: "0\n\n1\n", problems: []string{"a#2: failed: timeout: too slow"}, incomplete: true,
		},
		{
			name: "without the value", in: []string{`{"doc":"a","seq":0,"last":true}`, `{"doc":"b","seq":0,"error":"odd"}`},
			want: "", problems: []string{`a#0: failed: no field "text"`, `b#0: failed: no field "text"`, "b: no last chunk, missing from b#1 on"}, incomplete: true,
		},
		{
			name: "errors of the user's own", in: []string{text("a", 0, 0, 1, "x", `,"error":"disk full"`), text("a", 1, 1, 2, "y", `,"error":null`), text("a", 2, 2, 3, "z", `,"error":{"type":7}`+last)},
			want: "xyz",
		},
		{
			name: "allowed", opt: Options{AllowMissing: true},
			in:       []string{answer("a", 0, `"x"`, ""), failure("a", 1, ""), answer("a", 3, `"z"`, ""), answer("b", 0, `"y"`, last)},
			want:     "x\n\n[missing a#1]\n\n[missing a#2]\n\nz\n\n[missing a#4]\n\ny\n",
			problems: []string{"a#1: failed: timeout: too slow", "a#2: missing", "a: no last chunk, missing from a#4 on"},
		},
		{
			name: "allowed, of texts", opt: Options{AllowMissing: true},
			in: []string{text("a", 0, 0, 2, "x\n", ""), text("a", 2, 3, 5, "z\n", last)}, want: "x\n\n\n[missing a#1]\n\nz\n", problems: []string{"a#1: missing"},
		},
		{
			name: "duplicate", in: []string{text("a", 0, 0, 1, "x", ""), text("a", 0, 0, 1, "X", ""), text("a", 1, 1, 2, "y", last), text("a", 1, 1, 2, "Y", last), text("a", 2, 2, 3, "z", "")},
			want: "xy", incomplete: true,
			problems: []string{"a#0 to a#1: duplicates with another content, the first ones are kept", "a#2: left out, for a#1 says it is the last"},
		},
		{
			name: "the same duplicates", in: []string{text("a", 0, 0, 1, "x", ""), text("a", 0, 0, 1, "x", ""), text("a", 2, 2, 3, "z", last), text("a", 2, 2, 3, "z", ""), text("a", 1, 1, 2, "y", ""), text("a", 1, 1, 2, "y", "")},
			want: "xyz", problems: []string{"a#0: duplicate, the first one is kept", "a#2: duplicate, the first one is kept", "a#1: duplicate, the first one is kept"},
		},
		{
			name: "a document twice", in: []string{text("a", 0, 0, 1, "x", ""), text("a", 1, 1, 2, "y", last), text("a", 0, 0, 1, "x", ""), text("a", 1, 1, 2, "y", last)},
			want: "xy", problems: []string{"a#0 to a#1: duplicates, the first ones are kept"},
		},
		{
			name: "a document of the same name", in: []string{text("-", 0, 0, 1, "x", ""), text("-", 1, 1, 2, "y", last), text("-", 0, 0, 1, "x", ""), text("-", 1, 1, 2, "Y", ""), text("-", 2, 2, 3, "z", last)},
			want: "xy", incomplete: true,
			problems: []string{"-#0: duplicate, the first one is kept", "-#1: duplicate with another content, the first one is kept", "-#2: left out, for -#1 says it is the last"},
		},
		{
			name: "the first failed", opt: Options{AllowMissing: true}, in: []string{failure("a", 0, last), answer("a", 0, `"x"`, last), failure("a", 0, last)},
			want: "[missing a#0]\n", problems: []string{"a#0: failed: timeout: too slow", "a#0: duplicate with another content, the first one is kept", "a#0: duplicate, the first one is kept"}, incomplete: true,
		},
		{
			name: "last in the middle, behind the others", in: []string{text("a", 3, 3, 4, "3", last), text("a", 2, 2, 3, "2", ""), text("a", 0, 0, 1, "0", ""), text("a", 1, 1, 2, "1", last), text("b", 0, 0, 1, "b", last)},
			want: "01b", problems: []string{"a#2 to a#3: left out, for a#1 says it is the last"}, incomplete: true,
		},
		{
			name: "last in the middle, before the others", in: []string{text("a", 0, 0, 1, "0", ""), text("a", 1, 1, 2, "1", last), text("a", 2, 2, 3, "2", ""), text("a", 3, 3, 4, "3", last), text("b", 0, 0, 1, "b", last)},
			want: "01b", problems: []string{"a#2 to a#3: left out, for a#1 says it is the last"}, incomplete: true,
		},
		{
			name: "last in the middle, with a gap", opt: Options{AllowMissing: true}, in: []string{text("a", 2, 2, 3, "2", ""), text("a", 0, 0, 1, "0", ""), text("a", 3, 3, 4, "3", last), text("a", 2, 2, 3, "2", last), text("a", 1, 1, 2, "1", last), text("a", 4, 4, 5, "4", "")},
			want: "01", problems: []string{"a#2: duplicate, the first one is kept", "a#2 to a#4: left out, for a#1 says it is the last"}, incomplete: true,
		},
		{
			name: "bad place", in: []string{`{"doc":"a","seq":"1","text":"x"}`, `{"doc":"a","seq":-1,"text":"x"}`, `{"doc":7,"text":"y"}`, `{"seq":1.0}`, `{"seq":1e3}`, `{"seq":9223372036854775807}`, `{"seq":99999999999999999999}`},
			want: "y\n", incomplete: true, problems: []string{
				`line 1: seq "1" is not a whole number from 0 to 999999999999999999`, `line 2: seq -1 is not a whole number from 0 to 999999999999999999`, `line 4: seq 1.0 is not a whole number from 0 to 999999999999999999`,
				`line 5: seq 1e3 is not a whole number from 0 to 999999999999999999`, `line 6: seq 9223372036854775807 is not a whole number from 0 to 999999999999999999`, `line 7: seq 99999999999999999999 is not a whole number from 0 to 999999999999999999`,
			},
		},
		{
			name: "a bad line of gpt-map beside standard input", in: []string{text("-", 0, 0, 1, "x", ""), `{"line":2,"input":"{","error":{"type":"bad_input"}}`, text("-", 1, 1, 2, "y", last)},
			want: "xy", problems: []string{"-#0: failed: bad_input"}, incomplete: true,
		},
		{
			name: "offsets that lie", in: []string{text("a", 0, 0, 900, "one ", ""), text("a", 1, 0, 4, "two ", ""), text("a", 2, 2, 4, "six ", ""), text("a", 3, 5, 4, "ten ", ""), text("a", 4, 0, 10, "more", last)},
			want: "one two six \n\nten \n\nmore\n", problems: []string{"a#2: start and end do not fit the text, no overlap is cut off", "a#4: start and end do not fit the text, no overlap is cut off"},
		},
		{
			name: "texts, then another value", in: []string{text("a", 0, 0, 1, "x", ""), text("a", 1, 1, 2, "y", ""), answer("a", 2, `"r"`, ""), text("a", 3, 3, 4, "z", ""), text("a", 4, 4, 5, "!", last), text("b", 0, 0, 1, "1", ""), text("b", 1, 1, 2, "2", last)},
			want: "xy\n\nr\n\nz\n\n!\n\n12\n",
		},
		{
			name: "a mark before texts", opt: Options{AllowMissing: true}, in: []string{text("a", 0, 0, 1, "x", last), text("b", 1, 1, 2, "y", ""), text("b", 2, 2, 3, "z", last), text("c", 0, 0, 1, "1", last)},
			want: "x\n\n[missing b#0]\n\nyz1", problems: []string{"b#0: missing"},
		},
		{
			name: "a record as far as it goes", opt: Options{JSONL: true}, in: []string{failure("a", 0, last), answer("b", 0, `"\u0041\"\\\n\ud83d"`, ""), answer("b", 2, `"x"`, last)},
			want: `{"id":"b#0","doc":"b","seq":0,"text":"A\"\\\n` + "\ufffd" + `"}` + "\n", problems: []string{"a#0: failed: timeout: too slow", "b#1: missing"}, incomplete: true,
		},
		{
			name: "documents", opt: Options{JSONL: true},
			in: []string{answer("a", 0, `"x"`, ""), answer("a", 1, `"y"`, last), text("b", 0, 0, 1, "1", ""), text("b", 1, 0, 2, "12", last), answer("c", 0, `"z"`, "")},
			want: `{"id":"a#0","doc":"a","seq":0,"text":"x\n\ny","last":true}` + "\n" + `{"id":"b#0","doc":"b","seq":0,"text":"12","last":true}` + "\n" +
				`{"id":"c#0","doc":"c","seq":0,"text":"z"}` + "\n",
			problems: []string{"c: no last chunk, missing from c#1 on"}, incomplete: true,
		},
		{
			name: "a far gap", opt: Options{AllowMissing: true}, in: []string{answer("a", 1_000_000_000_000, `"x"`, last)},
			want: "[missing a#0 to a#999999999999]\n\nx\n", problems: []string{"a#0 to a#999999999999: missing"},
		},
	} {
		out, problems, incomplete := join(t, test.opt, test.in...)
		if out != test.want {
			t.Errorf("%s: %q, want %q", test.name, out, test.want)
		}
		if !slices.Equal(problems, test.problems) || incomplete != test.incomplete {
			t.Errorf("%s: told %q, incomplete %v; want %q", test.name, problems, incomplete, test.problems)
		}
	}
}

// What is in order is written while the input goes on.
func TestWritesAtOnce(t *testing.T) {
	var out bytes.Buffer
	j := New(&out, Options{})
	add := func(line, want string) {
		t.Helper()
		rec, err := record.Parse([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.Add(rec), j.Flush()); err != nil || out.String() != want {
			t.Errorf("after %s: %q, want %q (%v)", line, out.String(), want, err)
		}
	}
	add(text("a", 0, 0, 1, "0", ""), "0")
	add(text("b", 0, 0, 1, "x", last), "0")
	add(text("a", 2, 2, 3, "2", ""), "0")
	add(text("a", 1, 1, 2, "1", ""), "012")
	add(text("a", 3, 3, 4, "3", last), "0123x")
	add(text("c", 0, 0, 1, "y", ""), "0123xy")
	add(failure("c", 1, ""), "0123xy")
	add(text("d", 0, 0, 1, "z", ""), "0123xyz")
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

func TestWriteError(t *testing.T) {
	broken := errors.New("broken")
	for _, opt := range []Options{{}, {JSONL: true}} {
		j := New(brokenWriter{broken}, opt)
		rec, _ := record.Parse([]byte(text("a", 0, 0, 1, "x", last)))
		if err := errors.Join(j.Add(rec), j.Close()); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	}
}

func o200k(t testing.TB) *token.Encoding {
	e, err := token.For(token.O200k)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// records reads back what was written.
func records(t testing.TB, out string) []record.Record {
	t.Helper()
	var all []record.Record
	for r := record.NewReader(strings.NewReader(out), false); ; {
		rec, err := r.Read()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
}

// checkPacks verifies that packs are within the budget, as full as can be, and
// that nothing is lost.
func checkPacks(t testing.TB, values []string, budget int) {
	t.Helper()
	e := o200k(t)
	var in []string
	for i, v := range values {
		more := ""
		if i == len(values)-1 {
			more = last
		}
		in = append(in, answer("a", i, string(record.AppendString(nil, v)), more))
	}
	out, problems, incomplete := join(t, Options{Tokens: budget, Encoding: e}, in...)
	if incomplete {
		t.Fatalf("incomplete: %q", problems)
	}
	larger, at := 0, 0
	packed := records(t, out)
	for i, rec := range packed {
		got, _ := rec.Text("text")
		at++
		n := 1
		for at < len(values) && strings.Join(values[at-n:at], "\n\n") != got {
			at, n = at+1, n+1
		}
		if strings.Join(values[at-n:at], "\n\n") != got {
			t.Fatalf("pack %d is not the values that follow: %q", i, got)
		}
		tokens := e.Count(got)
		if said, _ := rec.Text("tokens"); said != fmt.Sprint(tokens) {
			t.Errorf("pack %d says %s tokens, has %d", i, said, tokens)
		}
		if tokens > budget {
			if larger++; n > 1 {
				t.Errorf("pack %d of %d values has %d tokens of %d", i, n, tokens, budget)
			}
		}
		if id, _ := rec.Text("id"); id != fmt.Sprintf("a#%d", i) {
			t.Errorf("pack %d is called %s", i, id)
		}
		if v, _ := rec.Get("last"); (string(v) == "true") != (i == len(packed)-1) {
			t.Errorf("pack %d of %d: last %s", i, len(packed), v)
		}
	}
	if at != len(values) {
		t.Errorf("%d of %d values are packed", at, len(values))
	}
	if larger != len(problems) {
		t.Errorf("%d packs are larger, told %q", larger, problems)
	}
}

func TestPacks(t *testing.T) {
	values := []string{"one", "two two", strings.Repeat("long ", 40), "four", "", "five\n", "中文，", strings.Repeat("x", 300), "end"}
	for budget := 1; budget < 60; budget++ {
		checkPacks(t, values, budget)
	}
	many := make([]string, 500)
	for i := range many {
		many[i] = fmt.Sprintf("Summary %d of a part.", i)
	}
	checkPacks(t, many, 1000)
	checkPacks(t, many, 1_000_000)

	// They can be joined again.
	e := o200k(t)
	packed, _, _ := join(t, Options{Tokens: 10, Encoding: e}, answer("a", 0, `"one two three four"`, ""), answer("a", 1, `"five six seven eight nine"`, last), answer("b", 0, `"ten"`, last))
	again, problems, incomplete := join(t, Options{}, strings.Split(strings.TrimSpace(packed), "\n")...)
	if want := "one two three four\n\nfive six seven eight nine\n\nten\n"; again != want || incomplete {
		t.Errorf("%q, told %q", again, problems)
	}
}

func TestPacksOfTextsWithOverlap(t *testing.T) {
	out, _, _ := join(t, Options{Tokens: 4, Encoding: o200k(t)},
		text("a", 0, 0, 8, "one two ", ""), text("a", 1, 4, 14, "two three ", ""), text("a", 2, 8, 19, "three four ", ""), text("a", 3, 19, 23, "five", last))
	joined := ""
	for _, rec := range records(t, out) {
		s, _ := rec.Text("text")
		joined += s
	}
	if joined != "one two three four five" {
		t.Errorf("%q of %s", joined, out)
	}
}

// chunkRecord is the record that gpt-chunk writes.
func chunkRecord(doc string, c chunk.Chunk) record.Record {
	var rec record.Record
	rec.Set("doc", record.AppendString(nil, doc))
	rec.Set("seq", record.AppendInt(nil, int64(c.Seq)))
	rec.Set("start", record.AppendInt(nil, c.Start))
	rec.Set("end", record.AppendInt(nil, c.End))
	rec.Set("text", record.AppendString(nil, c.Text))
	if c.Last {
		rec.Set("last", []byte("true"))
	}
	return rec
}

// FuzzChunkJoin: text, chunked by any options, its records shuffled and other
// documents between them, joins to the text.
func FuzzChunkJoin(f *testing.F) {
	for i, s := range []string{
		"", "a", "Hello, world. How are you?\n\nFine, thanks.\r\nAnd you?", "今天天气很好。我们去公园吧！\n「好吗？」好，走。",
		"e\u0301\u0301\u0301 🇩🇪🇫🇷🇬🇧 👨‍👩‍👧‍👦👍🏽", "\ufeffa\x00b\r\n\r\n\tc", "    \n\n   \n x\n\n\n", "a\xffb\xe4\xb8c\xf0\x9f\x98", "\xff\xff\xff\xff",
	} {
		f.Add([]byte(s), 20, 7, 3, uint8(i), uint64(i))
		f.Add([]byte(s), 3, 2, 0, uint8(i*5), uint64(i))
	}
	f.Fuzz(func(t *testing.T, part []byte, repeat, size, overlap int, kind uint8, seed uint64) {
		if repeat < 1 || repeat > 200 || len(part)*repeat > 4000 || size > 2000 {
			t.Skip()
		}
		input := bytes.Repeat(part, repeat)
		opt := chunk.Options{Unit: chunk.Unit(kind % 4), By: chunk.By(kind / 4 % 5), Size: size, Overlap: overlap, Encoding: o200k(t), ReplaceInvalid: true}
		if opt.Check() != nil {
			t.Skip()
		}
		want := string(input)
		if !utf8.Valid(input) {
			want = ""
			for len(input) > 0 { // as token.Invalid defines it
				n := token.Invalid(input)
				if n == 0 {
					_, n = utf8.DecodeRune(input)
					want += string(input[:n])
				} else {
					want += "\ufffd"
				}
				input = input[n:]
			}
			input = bytes.Repeat(part, repeat)
		}

		var lines []string
		s, err := chunk.New(bytes.NewReader(input), opt)
		if err != nil {
			t.Fatal(err)
		}
		for {
			c, err := s.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			rec := chunkRecord("a", c)
			lines = append(lines, string(rec.Bytes()))
		}
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(lines), func(i, k int) { lines[i], lines[k] = lines[k], lines[i] })
		if seed%2 == 0 {
			lines = slices.Insert(lines, len(lines)/2, text("b", 0, 0, 1, "!", last))
			if len(lines) < 3 {
				want = "!" + want
			} else {
				want += "!"
			}
		}
		spilling := Options{Memory: int64(seed / 2 % 4 * 300), TempDir: t.TempDir()}
		out, problems, incomplete := join(t, spilling, lines...)
		if out != want || incomplete || len(problems) > 0 {
			t.Fatalf("%+v seed %d\ninput %q\njoined %q\nwant   %q\ntold %q", opt, seed, input, out, want, problems)
		}
	})
}

func FuzzPacks(f *testing.F) {
	f.Add("one|two two|three three three", 5)
	f.Add("中文|。|\n\n|x  |  \n|'s", 3)
	f.Fuzz(func(t *testing.T, values string, budget int) {
		if !utf8.ValidString(values) || len(values) > 2000 || budget < 1 || budget > 500 {
			t.Skip()
		}
		checkPacks(t, strings.Split(values, "|"), budget)
	})
}
