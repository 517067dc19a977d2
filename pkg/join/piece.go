package join

import (
	"bytes"
	"encoding/json"
	"fmt"

	"gptpipe/pkg/record"
)

// A piece is what one record gives to its document.
type piece struct {
	seq        int64
	value      []byte // as JSON
	start, end int64  // in the document, if cut
	cut        bool   // a text that gpt-chunk cut
	mark       bool   // stands for what is missing
}

// mark returns the piece that stands for the missing records from to to.
func mark(name string, from, to int64) piece {
	text := fmt.Sprintf("[missing %s#%d]", name, from)
	if to > from {
		text = fmt.Sprintf("[missing %s#%d to %s#%d]", name, from, name, to)
	}
	return piece{seq: from, value: record.AppendString(nil, text), mark: true}
}

// appendText appends the value as it is written: a string decoded, anything else
// as compact JSON.
func (p piece) appendText(dst []byte) ([]byte, error) {
	if p.value[0] == '"' {
		return record.AppendText(dst, p.value), nil
	}
	out := bytes.NewBuffer(dst)
	err := json.Compact(out, p.value)
	return out.Bytes(), err
}

// number returns the seq of a record, or -1 if it does not say.
func number(rec *record.Record) (int64, error) {
	v, ok := rec.Get("seq")
	if !ok || string(v) == "null" {
		return -1, nil
	}
	if n, ok := whole(v); ok {
		return n, nil
	}
	return 0, fmt.Errorf("seq %s is not a whole number from 0 to %d", brief(string(v)), int64(most))
}

// value returns what a record stands for, or says why it stands for nothing.
func value(rec *record.Record, in string) (p piece, failure string) {
	name := rec.Current(in)
	v, ok := rec.Get(name)
	if in == "" || !ok {
		if kind, failed := rec.Failed(); failed {
			return p, describe(rec, kind)
		}
	}
	if !ok {
		return p, fmt.Sprintf("no field %q", name)
	}
	p.value = v
	if name == "text" && v[0] == '"' {
		// Others write start and end too, for seconds or spans.
		_, hasDoc := rec.Get("doc")
		hasSeq := hasWhole(rec, "seq", new(int64))
		hasStart, hasEnd := hasWhole(rec, "start", &p.start), hasWhole(rec, "end", &p.end)
		p.cut = hasDoc && hasSeq && hasStart && hasEnd && p.start <= p.end
	}
	return p, ""
}

func hasWhole(rec *record.Record, name string, n *int64) (ok bool) {
	v, _ := rec.Get(name)
	*n, ok = whole(v)
	return ok
}

// most is the largest seq or offset: 18 digits, more than any input has bytes.
const most = 999_999_999_999_999_999

// whole returns the number that digits are.
func whole(digits []byte) (n int64, ok bool) {
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// describe says in words what the error of a record says, of which the type is
// known.
func describe(rec *record.Record, kind string) string {
	v, _ := rec.Get("error")
	var e struct{ Message string }
	if json.Unmarshal(v, &e) != nil || e.Message == "" {
		return kind
	}
	return kind + ": " + e.Message
}

func isTrue(rec *record.Record, name string) bool {
	v, _ := rec.Get(name)
	return string(v) == "true"
}
