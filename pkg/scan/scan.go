// Package scan reads JSON in place and only as deep as needed: a million bodies
// are to be counted while others are sent. What is valid JSON is read as such;
// what is not may be noticed, or taken for something else.
package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"gptpipe/pkg/record"
)

// ErrForm says that something is not the JSON that it should be.
var ErrForm = errors.New("the body is not the JSON that it should be")

// Fields calls visit for each field of a JSON object, with the name as it is
// between its quotes, or decoded if it has escapes.
func Fields(object []byte, visit func(name, value []byte) error) error {
	return each(object, '{', '}', visit)
}

// Elements calls visit for each element of a JSON array.
func Elements(array []byte, visit func(value []byte) error) error {
	return each(array, '[', ']', func(_, value []byte) error { return visit(value) })
}

func each(data []byte, open, end byte, visit func(name, value []byte) error) error {
	i := space(data, 0)
	if at(data, i) != open {
		return ErrForm
	}
	if i = space(data, i+1); at(data, i) == end {
		return nil
	}
	for {
		var name []byte
		if open == '{' {
			if at(data, i) != '"' {
				return ErrForm
			}
			stop := stringEnd(data, i)
			if stop < 0 {
				return ErrForm
			}
			if name = data[i+1 : stop-1]; bytes.IndexByte(name, '\\') >= 0 {
				text, err := Text(data[i:stop])
				if err != nil {
					return err
				}
				name = []byte(text)
			}
			if i = space(data, stop); at(data, i) != ':' {
				return ErrForm
			}
			i = space(data, i+1)
		}
		stop := valueEnd(data, i)
		if stop < 0 {
			return ErrForm
		}
		if err := visit(name, data[i:stop]); err != nil {
			return err
		}
		i = space(data, stop)
		switch at(data, i) {
		case ',':
			i = space(data, i+1)
		case end:
			return nil
		default:
			return ErrForm
		}
	}
}

// at is the byte at i, or 0 behind the end.
func at(data []byte, i int) byte {
	if i < len(data) {
		return data[i]
	}
	return 0
}

func space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// valueEnd returns where the value that begins at data[i] ends, or -1.
func valueEnd(data []byte, i int) int {
	switch at(data, i) {
	case '"':
		return stringEnd(data, i)
	case '{', '[':
		return nestEnd(data, i)
	}
	from := i
	for i < len(data) && strings.IndexByte(" \n\t\r,]}", data[i]) < 0 {
		i++
	}
	if i == from {
		return -1
	}
	return i
}

func nestEnd(data []byte, i int) int {
	depth := 0
	for ; i < len(data); i++ {
		switch data[i] {
		case '"':
			if i = stringEnd(data, i) - 1; i < 0 {
				return -1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// stringEnd returns where the string that begins at data[i] ends, or -1. A
// quote ends it that an even number of backslashes stands before.
func stringEnd(data []byte, i int) int {
	from := i + 1
	for i = from; ; i++ {
		next := bytes.IndexByte(data[i:], '"')
		if next < 0 {
			return -1
		}
		i += next
		slashes := 0
		for i-slashes > from && data[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i + 1
		}
	}
}

// Text is a string decoded, or any other value as it is.
func Text(value []byte) (string, error) {
	// package record expects valid escapes; these alone have a length.
	if bytes.Contains(value, []byte(`\u`)) && !json.Valid(value) {
		return "", ErrForm
	}
	return record.Text(value), nil
}

// First is the byte that a value begins with, which tells its kind, or 0.
func First(value []byte) byte { return at(value, 0) }

// Count reads a whole number from 0 to most, which JSON may write as 3, 3.0 or
// 30e-1. It is not ok if it is none.
func Count(value []byte, most int) (n int, ok bool) {
	n, err := strconv.Atoi(string(value))
	if err == nil {
		return n, 0 <= n && n <= most
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || !(0 <= f && f <= float64(most)) || f != math.Trunc(f) {
		return 0, false
	}
	return int(f), true
}

// IsNull reports whether a value is null.
func IsNull(value []byte) bool { return string(value) == "null" }
