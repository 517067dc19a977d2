package main

import (
	"strings"
	"testing"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
)

// There is a line for each line, also for an answer that no line can have.
func TestAnswerThatIsTooDeepForALine(t *testing.T) {
	r, err := record.Parse([]byte(`{"custom_id":"a","method":"POST","url":"/v1/completions","body":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	for depth, failed := range map[int]bool{9_000: false, 9_999: true} {
		body := `{"x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
		got, err := (&mapper{}).lineAnswered(r, &llm.Response{Body: []byte(body)}, nil)
		refused, failing := (&mapper{}).lineAnswered(r, nil, &llm.Error{Type: llm.InvalidRequest, Status: 400, Message: "no", Body: []byte(body)})
		if failing != nil || strings.Contains(string(refused.record.Bytes()), `"body":{"error":{"code":"invalid_request","message":"no"}}`) != failed {
			t.Errorf("%d deep, with a failure: %.200s, error %v", depth, refused.record.Bytes(), failing)
		}
		if err != nil || got.failed != failed || !strings.Contains(string(got.record.Bytes()), `"custom_id":"a"`) {
			t.Errorf("%d deep: %.200s, error %v", depth, got.record.Bytes(), err)
		}
	}
}
