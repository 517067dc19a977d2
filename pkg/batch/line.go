package batch

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"gptpipe/pkg/record"
)

// An Input is a line of a batch's input file. Its values are raw JSON only in
// Body.
type Input struct {
	CustomID string
	Method   string
	URL      string
	Body     []byte
}

// ParseInput reads a line of an input file. With an error, the CustomID is there
// if it could be read.
func ParseInput(line []byte) (Input, error) {
	r, err := record.Parse(line)
	if err != nil {
		return Input{}, err
	}
	var in Input
	for _, f := range []struct {
		name string
		to   *string
	}{{"custom_id", &in.CustomID}, {"method", &in.Method}, {"url", &in.URL}} {
		if *f.to, err = stringField(&r, f.name); err != nil {
			return Input{CustomID: in.CustomID}, err
		}
	}
	body, ok := r.Get("body")
	if !ok || body[0] != '{' {
		return Input{CustomID: in.CustomID}, errors.New("body is missing or not an object")
	}
	in.Body = body
	return in, nil
}

func stringField(r *record.Record, name string) (string, error) {
	v, ok := r.Get(name)
	if !ok || v[0] != '"' {
		return "", fmt.Errorf("%s is missing or not a string", name)
	}
	return record.Text(v), nil
}

// AppendInput appends the line of in, with its end.
func AppendInput(dst []byte, in Input) []byte {
	dst = append(dst, `{"custom_id":`...)
	dst = record.AppendString(dst, in.CustomID)
	dst = append(dst, `,"method":`...)
	dst = record.AppendString(dst, in.Method)
	dst = append(dst, `,"url":`...)
	dst = record.AppendString(dst, in.URL)
	dst = append(dst, `,"body":`...)
	dst = append(dst, oneLine(in.Body)...)
	return append(dst, '}', '\n')
}

// oneLine is JSON without line ends, which can only stand between its tokens.
// What is no JSON stays that, on one line: others are not to suffer for it.
func oneLine(body []byte) []byte {
	if !bytes.ContainsAny(body, "\r\n") {
		return body
	}
	var out bytes.Buffer
	if json.Compact(&out, body) != nil {
		return bytes.Join(bytes.FieldsFunc(body, func(r rune) bool { return r == '\r' || r == '\n' }), []byte(" "))
	}
	return out.Bytes()
}

// An Output is a line of a batch's output or error file: an answer, be it one
// with the status of a failure, or an error without one.
type Output struct {
	CustomID  string
	Line      int // of the input, where that has no custom_id
	Status    int
	RequestID string
	Body      []byte
	Error     []byte // the object, or nil
}

// ParseOutput reads a line of an output or error file.
func ParseOutput(line []byte) (Output, error) {
	r, err := record.Parse(line)
	if err != nil {
		return Output{}, err
	}
	var out Output
	if out.CustomID, err = stringField(&r, "custom_id"); err != nil {
		return Output{}, err
	}
	if e, ok := r.Get("error"); ok && string(e) != "null" {
		out.Error = e
	}
	answer, ok := r.Get("response")
	if !ok || string(answer) == "null" {
		if out.Error == nil {
			return Output{}, errors.New("neither a response nor an error")
		}
		return out, nil
	}
	if answer[0] != '{' {
		return Output{}, errors.New("response is not an object")
	}
	response, err := record.Parse(answer)
	if err != nil {
		return Output{}, err
	}
	status, _ := response.Get("status_code")
	if out.Status, err = strconv.Atoi(string(status)); err != nil || out.Status < 100 || out.Status > 999 {
		return Output{}, errors.New("status_code is missing or no status")
	}
	if id, ok := response.Get("request_id"); ok && id[0] == '"' {
		out.RequestID = record.Text(id)
	}
	out.Body, _ = response.Get("body")
	return out, nil
}

// AppendOutput appends the line of out, with its end. The line's own id is made
// from the custom_id, so that the same answer is the same line.
func AppendOutput(dst []byte, out Output) []byte {
	h := sha256.Sum256(fmt.Appendf(nil, "%d %s", out.Line, out.CustomID))
	dst = fmt.Appendf(dst, `{"id":"batch_req_%x","custom_id":`, h[:12])
	if out.Line > 0 {
		dst = append(dst, "null"...)
	} else {
		dst = record.AppendString(dst, out.CustomID)
	}
	dst = append(dst, `,"response":`...)
	if out.Status == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, `{"status_code":`...)
		dst = record.AppendInt(dst, int64(out.Status))
		dst = append(dst, `,"request_id":`...)
		dst = record.AppendString(dst, out.RequestID)
		dst = append(dst, `,"body":`...)
		if len(out.Body) == 0 {
			dst = append(dst, "null"...)
		} else {
			dst = append(dst, oneLine(out.Body)...)
		}
		dst = append(dst, '}')
	}
	dst = append(dst, `,"error":`...)
	if out.Error == nil {
		dst = append(dst, "null"...)
	} else {
		dst = append(dst, oneLine(out.Error)...)
	}
	return append(dst, '}', '\n')
}
