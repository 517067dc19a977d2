package main

import (
	"testing"
	"unicode/utf8"

	"gptpipe/pkg/chunk"
	"gptpipe/pkg/record"
)

// The record that is written at once is the one that is put together by fields,
// and its fields are what went in.
func FuzzAppendPart(f *testing.F) {
	f.Add("a.md", "# \"A\"\n\x00\t中", "A", 3, int64(7), true)
	f.Add("", "", "", 0, int64(0), false)
	f.Fuzz(func(t *testing.T, doc, text, section string, seq int, start int64, last bool) {
		for _, s := range []string{doc, text, section} {
			if !utf8.ValidString(s) {
				t.Skip()
			}
		}
		part := chunk.Chunk{Seq: seq, Start: start, End: start + int64(len(text)), Tokens: 5, Text: text, Last: last}
		if section != "" {
			part.Section = []string{section, section}
		}
		line := appendPart(nil, doc, part)
		var byFields record.Record
		addPart(&byFields, doc, part)
		if string(line) != string(byFields.Bytes()) {
			t.Fatalf("%s\n%s", line, byFields.Bytes())
		}
		rec, err := record.Parse(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		for name, want := range map[string]string{"doc": doc, "text": text} {
			if got, ok := rec.Text(name); !ok || got != want {
				t.Fatalf("%s is %q, want %q", name, got, want)
			}
		}
		if _, ok := rec.Get("last"); ok != last {
			t.Fatalf("last in %s", line)
		}
	})
}
