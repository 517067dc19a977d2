package standin

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"math"
	"net/http"
	"strings"
)

const (
	dimensions = 8    // of a vector, unless others are asked for
	mostInputs = 2048 // of one request
)

// Vector is the embedding of a text: numbers that depend on nothing else.
func Vector(text string, dimensions int) []float32 {
	v := make([]float32, dimensions)
	for i := range v {
		h := fnv.New32a()
		h.Write([]byte{byte(i)})
		h.Write([]byte(text))
		v[i] = float32(int32(h.Sum32())) / math.MaxInt32
	}
	return v
}

// embeddings answers POST /v1/embeddings.
func embeddings(body []byte) *answer {
	var in struct {
		Model      string          `json:"model"`
		Input      json.RawMessage `json:"input"`
		Format     string          `json:"encoding_format"`
		Dimensions int             `json:"dimensions"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return invalid("", "", "We could not parse the JSON body of your request. (%v)", err).answer()
	}
	var texts []string
	var one string
	if json.Unmarshal(in.Input, &one) == nil {
		texts = []string{one}
	} else if json.Unmarshal(in.Input, &texts) != nil {
		return invalid("input", "", "Invalid type for 'input'.").answer()
	}
	if in.Dimensions == 0 {
		in.Dimensions = dimensions
	}
	switch {
	case in.Model == "":
		return invalid("", "", "you must provide a model parameter").answer()
	case in.Dimensions < 0:
		return invalid("dimensions", "", "Invalid value for 'dimensions': must be greater than 0.").answer()
	case len(texts) == 0 || len(texts) > mostInputs:
		return invalid("input", "", "Invalid 'input': an array of 1 to %d texts is expected.", mostInputs).answer()
	}
	type item struct {
		Object    string `json:"object"`
		Index     int    `json:"index"`
		Embedding any    `json:"embedding"`
	}
	data, tokens := []item{}, 0
	for i, text := range texts {
		if text == "" {
			return invalid("input", "", "Invalid 'input[%d]': input cannot be an empty string.", i).answer()
		}
		tokens += len(strings.Fields(text))
		v := Vector(text, in.Dimensions)
		var embedding any = v
		if in.Format == "base64" {
			var raw []byte
			for _, n := range v {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(n))
			}
			embedding = base64.StdEncoding.EncodeToString(raw)
		}
		data = append(data, item{"embedding", i, embedding})
	}
	return &answer{status: http.StatusOK, completion: true, body: encode(map[string]any{
		"object": "list",
		"data":   data,
		"model":  in.Model,
		"usage":  map[string]int{"prompt_tokens": tokens, "total_tokens": tokens},
	}, "  ")}
}
