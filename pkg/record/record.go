// Package record is the one data type of the filters: a JSON object on a line.
//
// A Record keeps the bytes it was read with. Reading a field finds its place
// in the line, writing one splices it in, and everything else stays as it was:
// the order of the fields, the digits of numbers, the escapes in strings.
// Lines are checked in full against RFC 8259 when they are read, so a Record
// is always one valid JSON object in valid UTF-8.
//
// Where a name stands twice in an object, the last one counts, as it does for
// encoding/json, jq and JavaScript.
package record

import "fmt"

// A Record is one JSON object. The zero value is the empty object.
type Record struct {
	// Line is the number of the input line it came from, counted from 1; 0
	// for a record that was made here.
	Line int

	raw     []byte // the object, from { to }
	fields  []field
	escaped bool // a name may have an escape
}

// A field is a name and a value by their places in raw: the name with its
// quotes, the value from start to end.
type field struct {
	name, nameEnd int
	start, end    int
}

// Parse takes one line: an object, or a string, which becomes {"text": …}.
// The record holds line from then on, so the caller must not change it. An
// error says what is wrong in words for a person.
func Parse(line []byte) (Record, error) { return parse(line, make([]field, 0, 8)) }

// parse is Parse with the memory for the places of the fields.
func parse(line []byte, fields []field) (Record, error) {
	line = trimSpace(line)
	if len(line) == 0 {
		return Record{}, fmt.Errorf("empty line")
	}
	switch line[0] {
	case '{':
		fields, escaped, err := scanObject(line, fields)
		return Record{raw: line, fields: fields, escaped: escaped}, err
	case '"':
		if err := Check(line); err != nil {
			return Record{}, err
		}
		return wrap(line), nil
	}
	if err := Check(line); err != nil {
		return Record{}, err
	}
	return Record{}, fmt.Errorf("neither a JSON object nor a JSON string")
}

// FromText makes {"text": s}.
func FromText(s string) Record { return wrap(AppendString(nil, s)) }

func wrap(value []byte) Record {
	var r Record
	r.Set("text", value)
	return r
}

// Bytes returns the object without a newline. It is not to be changed.
func (r *Record) Bytes() []byte {
	if r.raw == nil {
		return []byte("{}")
	}
	return r.raw
}

// Len is the size of the record in bytes.
func (r *Record) Len() int { return len(r.raw) }

// Get returns the raw JSON of the field called name.
func (r *Record) Get(name string) (value []byte, ok bool) {
	i := r.find(name)
	if i < 0 {
		return nil, false
	}
	f := r.fields[i]
	return r.raw[f.start:f.end:f.end], true
}

// Text returns the field called name as text: a string decoded, any other
// value as the JSON it is.
func (r *Record) Text(name string) (text string, ok bool) {
	v, ok := r.Get(name)
	return Text(v), ok
}

// Current returns the name of the field that is the record's current value:
// in, if that is not empty, else "response" if the record has one, else
// "text". The record need not have that field.
func (r *Record) Current(in string) string {
	if in != "" {
		return in
	}
	if r.find("response") >= 0 {
		return "response"
	}
	return "text"
}

// Failed reports whether the record carries an error of these commands, and of
// which type it is. A field of that name which is anything but an object with a
// string "type" is the user's own.
func (r *Record) Failed() (kind string, failed bool) {
	v, ok := r.Get("error")
	if !ok || v[0] != '{' {
		return "", false
	}
	e, _ := Parse(v) // it is one, or r were no record
	t, ok := e.Get("type")
	return Text(t), ok && t[0] == '"'
}

// Each calls yield with the name and raw value of each field in order, until
// yield returns false.
func (r *Record) Each(yield func(name string, value []byte) bool) {
	for _, f := range r.fields {
		if !yield(r.name(f), r.raw[f.start:f.end:f.end]) {
			return
		}
	}
}

// Set gives the field called name the JSON value: in its place if the record
// has it, else at the end. The record gets new memory; copies made earlier
// keep what they had. Value must be valid JSON without a newline.
func (r *Record) Set(name string, value []byte) {
	if i := r.find(name); i >= 0 {
		f := r.fields[i]
		r.splice(f.start, f.end, value)
		r.fields[i].end = f.start + len(value)
		return
	}
	if r.raw == nil {
		r.raw = []byte("{}")
	}
	at := 1
	insert := make([]byte, 0, len(name)+len(value)+4)
	if n := len(r.fields); n > 0 {
		at = r.fields[n-1].end
		insert = append(insert, ',')
	}
	f := field{name: at + len(insert)}
	insert = AppendString(insert, name)
	f.nameEnd = at + len(insert)
	r.escaped = r.escaped || hasEscape(insert)
	insert = append(insert, ':')
	f.start = at + len(insert)
	insert = append(insert, value...)
	f.end = at + len(insert)
	r.splice(at, at, insert)
	r.fields = append(r.fields, f)
}

// Delete takes every field called name out of the record.
func (r *Record) Delete(name string) {
	for i := r.find(name); i >= 0; i = r.find(name) {
		from, to := r.fields[i].name, r.fields[i].end
		switch {
		case i+1 < len(r.fields):
			to = r.fields[i+1].name
		case i > 0:
			from = r.fields[i-1].end
		}
		r.splice(from, to, nil)
		r.fields = append(r.fields[:i], r.fields[i+1:]...)
	}
}

// splice replaces raw[from:to] and moves the fields behind it. It leaves the
// old memory alone, the field table too, for a copy may hold it.
func (r *Record) splice(from, to int, with []byte) {
	raw := make([]byte, 0, len(r.raw)-(to-from)+len(with))
	raw = append(raw, r.raw[:from]...)
	raw = append(raw, with...)
	raw = append(raw, r.raw[to:]...)
	r.raw = raw

	by := len(with) - (to - from)
	fields := make([]field, len(r.fields), len(r.fields)+1)
	for i, f := range r.fields {
		if f.name >= to {
			f = field{f.name + by, f.nameEnd + by, f.start + by, f.end + by}
		}
		fields[i] = f
	}
	r.fields = fields
}

func (r *Record) find(name string) int {
	for i := len(r.fields) - 1; i >= 0; i-- {
		f := r.fields[i]
		quoted := r.raw[f.name:f.nameEnd]
		if string(quoted[1:len(quoted)-1]) == name || r.escaped && Text(quoted) == name {
			return i
		}
	}
	return -1
}

func (r *Record) name(f field) string { return Text(r.raw[f.name:f.nameEnd]) }
