package join

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"

	"gptpipe/pkg/record"
)

// anonymous is the name of the document of records without doc.
const anonymous = "-"

// place returns where a record belongs; seq is -1 if it does not say.
func place(rec *record.Record) (name string, seq int64, err error) {
	name, seq = anonymous, -1
	if v, ok := rec.Get("doc"); ok && string(v) != "null" {
		name = record.Text(v)
	}
	if v, ok := rec.Get("seq"); ok && string(v) != "null" {
		seq, err = strconv.ParseInt(string(v), 10, 64)
		if err != nil || seq < 0 || seq == math.MaxInt64 {
			return "", 0, fmt.Errorf("seq %s is not a whole number", v)
		}
	}
	return name, seq, nil
}

// value returns what a record stands for, or says why it stands for nothing.
func value(rec *record.Record, in string) (p piece, failure string) {
	failed := ""
	if v, ok := rec.Get("error"); ok && string(v) != "null" {
		failed = describe(v)
	}
	name := rec.Current(in)
	v, ok := rec.Get(name)
	switch {
	case failed != "" && (in == "" || !ok):
		return p, failed
	case !ok:
		return p, fmt.Sprintf("no field %q", name)
	case v[0] != '"':
		var compact bytes.Buffer
		if err := json.Compact(&compact, v); err != nil {
			return p, err.Error()
		}
		p.text = compact.String()
		return p, ""
	}
	p.text = record.Text(v)
	if name == "text" {
		// Others write start and end too, for seconds or spans.
		_, hasDoc := rec.Get("doc")
		_, hasSeq := whole(rec, "seq")
		var hasStart, hasEnd bool
		p.start, hasStart = whole(rec, "start")
		p.end, hasEnd = whole(rec, "end")
		p.cut = hasDoc && hasSeq && hasStart && hasEnd && p.start <= p.end
	}
	return p, ""
}

// describe says in words what the error field of a record says.
func describe(v []byte) string {
	var e struct{ Type, Message string }
	switch err := json.Unmarshal(v, &e); {
	case err != nil || e.Type == "" && e.Message == "":
		return record.Text(v)
	case e.Message == "":
		return e.Type
	case e.Type == "":
		return e.Message
	}
	return e.Type + ": " + e.Message
}

func whole(rec *record.Record, name string) (n int64, ok bool) {
	v, _ := rec.Get(name)
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && n >= 0
}

func isTrue(rec *record.Record, name string) bool {
	v, _ := rec.Get(name)
	return string(v) == "true"
}
