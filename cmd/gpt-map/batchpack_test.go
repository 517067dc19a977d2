package main

import (
	"errors"
	"testing"

	"gptpipe/pkg/record"
)

// A result comes back from the folder of a job as it was, and what is cut off is
// noticed.
func TestPacked(t *testing.T) {
	r, err := record.Parse([]byte(`{"a":1.0,"error":{"type":"length"}}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Line = 300
	for _, want := range []result{
		{record: r},
		{record: r, failed: true},
		{record: r, failed: true, paid: true, why: errors.New("line 300: length: it was cut")},
	} {
		data := packed(want)
		got, err := unpacked(data)
		if err != nil || string(got.record.Bytes()) != string(r.Bytes()) || got.record.Line != 300 || got.failed != want.failed || got.paid != want.paid ||
			(got.why == nil) != (want.why == nil) || got.why != nil && got.why.Error() != want.why.Error() {
			t.Errorf("%+v, %v", got, err)
		}
		for n := range data {
			if got, err := unpacked(data[:n]); err == nil {
				t.Errorf("%d bytes of %d were read as %+v", n, len(data), got)
			}
		}
	}
}
