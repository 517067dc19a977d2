package main

import (
	"gptpipe/pkg/chunk"
	"gptpipe/pkg/record"
)

// appendPart appends the record of a part of doc to line.
func appendPart(line []byte, doc string, part chunk.Chunk) []byte {
	line = append(line, '{')
	partFields(doc, part, func(name string, appendValue func([]byte) []byte) {
		if line[len(line)-1] != '{' {
			line = append(line, ',')
		}
		line = append(line, '"')
		line = append(line, name...)
		line = append(line, '"', ':')
		line = appendValue(line)
	})
	return append(line, '}')
}

// addPart adds the fields of a part of doc to the record that was divided.
func addPart(rec *record.Record, doc string, part chunk.Chunk) {
	partFields(doc, part, func(name string, appendValue func([]byte) []byte) {
		rec.Set(name, appendValue(nil))
	})
}

// partFields calls yield with the fields of a part, in the order of gpt-record(5).
func partFields(doc string, part chunk.Chunk, yield func(name string, appendValue func([]byte) []byte)) {
	str := func(name, s string) {
		yield(name, func(dst []byte) []byte { return record.AppendString(dst, s) })
	}
	num := func(name string, n int64) {
		yield(name, func(dst []byte) []byte { return record.AppendInt(dst, n) })
	}
	str("id", string(record.AppendInt([]byte(doc+"#"), int64(part.Seq))))
	str("doc", doc)
	num("seq", int64(part.Seq))
	num("start", part.Start)
	num("end", part.End)
	num("tokens", int64(part.Tokens))
	if part.Section != nil {
		yield("section", func(dst []byte) []byte { return appendStrings(dst, part.Section) })
	}
	str("text", part.Text)
	if part.Last {
		yield("last", func(dst []byte) []byte { return append(dst, "true"...) })
	}
}

// appendStrings appends all as a JSON array.
func appendStrings(dst []byte, all []string) []byte {
	dst = append(dst, '[')
	for i, s := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = record.AppendString(dst, s)
	}
	return append(dst, ']')
}
