package wire

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
)

// embeddings is POST /embeddings. The text of its answer are the vectors, one a
// line, in the order of the inputs: base64 of 32-bit numbers in little-endian
// order, as the API sends them, which is a quarter of what they are as JSON.
var embeddings = format{path: "/embeddings", read: readEmbeddings}

// EncodeEmbedding makes the body of a request for the vector of one text, in
// canonical form as Encode does.
func EncodeEmbedding(model, text string, options []llm.Option) []byte {
	options = slices.Clone(options)
	slices.SortFunc(options, func(a, b llm.Option) int { return strings.Compare(a.Key, b.Key) })
	b := &body{options: options}
	b.field("model", record.AppendString(nil, model))
	b.field("input", record.AppendString(nil, text))
	b.field("encoding_format", []byte(`"base64"`))
	for _, o := range options {
		b.append(o.Key, o.Value)
	}
	return append(b.out, '}')
}

func readEmbeddings(body []byte) (*llm.Response, error) {
	var a struct {
		Model string          `json:"model"`
		Usage json.RawMessage `json:"usage"`
		Error json.RawMessage `json:"error"`
		Data  []struct {
			Index     *int            `json:"index"`
			Embedding json.RawMessage `json:"embedding"`
		} `json:"data"`
	}
	if err := decode(body, &a); err != nil {
		return nil, err
	}
	if present(a.Error) {
		return nil, bodyError(body)
	}
	if len(a.Data) == 0 {
		return nil, badResponse("the answer has no embeddings")
	}
	lines := make([]string, len(a.Data))
	length := 0 // of the first
	for i, d := range a.Data {
		at := i
		if d.Index != nil {
			at = *d.Index
		}
		if at < 0 || at >= len(lines) || lines[at] != "" {
			return nil, badResponse(fmt.Sprintf("the answer has an embedding of index %d, of %d", at, len(lines)))
		}
		var err error
		if lines[at], err = vectorText(d.Embedding); err != nil {
			return nil, badResponse("the answer has an embedding that is none: " + err.Error())
		}
		if length = cmp.Or(length, len(lines[at])); len(lines[at]) != length {
			return nil, badResponse("the answer has embeddings of different lengths")
		}
	}
	return &llm.Response{Text: strings.Join(lines, "\n"), Model: a.Model, FinishReason: "stop", Usage: a.Usage}, nil
}

// vectorText is a vector as base64, also from servers that send numbers whatever
// they are asked for.
func vectorText(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		data, err := vector(text)
		return base64.StdEncoding.EncodeToString(data), err // without the line ends that there may be
	}
	if bytes.Contains(raw, []byte("null")) { // which encoding/json takes for 0
		return "", fmt.Errorf("a number of it is null")
	}
	var numbers []float32
	if err := json.Unmarshal(raw, &numbers); err != nil {
		return "", err
	}
	if len(numbers) == 0 {
		return "", fmt.Errorf("it is empty")
	}
	data := make([]byte, 0, 4*len(numbers))
	for _, n := range numbers {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(n))
	}
	return base64.StdEncoding.EncodeToString(data), nil
}

func vector(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, err
	case len(data) == 0 || len(data)%4 != 0:
		return nil, fmt.Errorf("it has %d bytes", len(data))
	}
	for i := 0; i < len(data); i += 4 {
		if n := math.Float32frombits(binary.LittleEndian.Uint32(data[i:])); n != n || math.IsInf(float64(n), 0) {
			return nil, fmt.Errorf("a number of it is %v", n)
		}
	}
	return data, nil
}

// VectorJSON is the vector of an answer's line as an array of numbers, each with
// as many digits as tell it from its neighbours.
func VectorJSON(line string) ([]byte, error) {
	data, err := vector(line)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 0, 3*len(data))
	out = append(out, '[')
	for i := 0; i < len(data); i += 4 {
		if i > 0 {
			out = append(out, ',')
		}
		n := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[i:])))
		// As encoding/json does: JSON has no other way to write very large and small ones.
		form := byte('f')
		if abs := math.Abs(n); abs != 0 && (float32(abs) < 1e-6 || float32(abs) >= 1e21) {
			form = 'e'
		}
		out = strconv.AppendFloat(out, n, form, -1, 32)
	}
	return append(out, ']'), nil
}
