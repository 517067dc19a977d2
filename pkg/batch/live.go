package batch

import (
	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
)

// Failed is the output for a request that failed: with the status that the
// server gave and what it said, or as an error without an answer.
func Failed(customID string, e *llm.Error) Output {
	code := e.Code
	if code == "" {
		code = string(e.Type)
	}
	object := append([]byte(nil), `{"code":`...)
	object = record.AppendString(object, code)
	object = append(object, `,"message":`...)
	object = record.AppendString(object, e.Message)
	object = append(object, '}')
	if e.Status/100 == 2 || e.Status == 0 {
		return Output{CustomID: customID, Error: object}
	}
	body := e.Body
	if body == nil {
		body = append(append([]byte(`{"error":`), object...), '}')
	}
	return Output{CustomID: customID, Status: e.Status, RequestID: e.RequestID, Body: body}
}
