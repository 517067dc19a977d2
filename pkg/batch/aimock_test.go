package batch

import (
	"strings"
	"testing"

	"gptpipe/test/aimock"
)

// A mock of the API that others wrote takes our files and batches, and we its
// results.
func TestAimock(t *testing.T) {
	s := aimock.Start(t)
	client := newClient(t, s.URL())
	requests := asks(6)
	var got []string
	job := Job{
		Client: client, URL: URLOf("chat"), Dir: t.TempDir(), Requests: each(requests),
		Read: client.ReadAnswer, Resubmit: 1, Retries: 2, test: quick(),
		Emit: func(r Result) error {
			if r.Err != nil {
				t.Errorf("%s: %v", r.Data, r.Err)
				return nil
			}
			got = append(got, string(r.Data)+": "+r.Response.Text)
			return nil
		},
		Warn: func(err error) { t.Error(err) },
	}
	if err := Run(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	// The mock says the same to everything.
	if len(got) != 6 || got[0] != "text 0: Mock batch completion" || got[5] != "text 5: Mock batch completion" {
		t.Errorf("got %q", got)
	}
	var calls []string
	for _, q := range s.Requests() {
		calls = append(calls, q.Path)
	}
	all := strings.Join(calls, " ")
	if strings.Count(all, "/v1/files") < 4 || !strings.Contains(all, "/v1/batches") {
		t.Errorf("it saw %s", all)
	}
}
