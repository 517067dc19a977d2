package wire

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"gptpipe/pkg/llm"
)

func TestVectors(t *testing.T) {
	numbers := []float32{0, 1, -1, 0.1, 1e-7, 3.4e38, -2.5e21, math.SmallestNonzeroFloat32, 0.030517578}
	asArray, _ := json.Marshal(numbers)
	text, err := vectorText(asArray)
	if err != nil {
		t.Fatal(err)
	}
	quoted, _ := json.Marshal(text)
	if again, err := vectorText(quoted); again != text || err != nil {
		t.Errorf("%s, %v", again, err)
	}
	// As encoders for mail write it, on several lines.
	folded, _ := json.Marshal(text[:8] + "\r\n" + text[8:] + "\n")
	if again, err := vectorText(folded); again != text || err != nil {
		t.Errorf("%s, %v", again, err)
	}
	out, err := VectorJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	var back []float32
	if err := json.Unmarshal(out, &back); err != nil || len(back) != len(numbers) {
		t.Fatalf("%s: %v", out, err)
	}
	for i := range back {
		if back[i] != numbers[i] {
			t.Errorf("%v became %v in %s", numbers[i], back[i], out)
		}
	}
	for _, bad := range []string{`""`, `"AAA="`, `"????"`, `"AADAfw=="`, `[]`, `[1,"x"]`, `null`, `{}`, `[1e99]`, `[null,1]`} {
		if got, err := vectorText(json.RawMessage(bad)); err == nil {
			t.Errorf("%s is %q", bad, got)
		}
	}
}

func TestReadEmbeddings(t *testing.T) {
	resp, err := readEmbeddings([]byte(`{"object":"list","model":"e","usage":{"prompt_tokens":3},"data":[
		{"index":1,"embedding":[2]},{"index":0,"embedding":"AACAPw=="}]}`))
	if err != nil || resp.Text != "AACAPw==\nAAAAQA==" || resp.Model != "e" || string(resp.Usage) != `{"prompt_tokens":3}` {
		t.Errorf("%+v, %v", resp, err)
	}
	for _, bad := range []string{``, `{}`, `{"data":[]}`, `{"data":[{"index":1,"embedding":[2]}]}`, `{"data":[{"embedding":[2]},{"index":0,"embedding":[2]}]}`,
		`{"data":[{"embedding":null}]}`, `{"data":[{"index":0,"embedding":[1,2]},{"index":1,"embedding":[3]}]}`, `{"error":{"message":"no"}}`} {
		if resp, err := readEmbeddings([]byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, resp)
		}
	}
}

func TestEncodeEmbedding(t *testing.T) {
	got := EncodeEmbedding("m", "a\n\"b\"", []llm.Option{{Key: "user", Value: []byte(`"u"`)}, {Key: "dimensions", Value: []byte(`5`)}})
	if want := `{"model":"m","input":"a\n\"b\"","encoding_format":"base64","dimensions":5,"user":"u"}`; string(got) != want {
		t.Errorf("%s", got)
	}
	if !strings.Contains(string(EncodeEmbedding("m", "x", []llm.Option{{Key: "encoding_format", Value: []byte(`"float"`)}})), `"float"`) {
		t.Error("an option does not count")
	}
}
