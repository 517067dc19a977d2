package batch_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"gptpipe/pkg/answer"
	"gptpipe/pkg/batch"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/wire"
	"gptpipe/test/standin"
)

// Lines of text go through a batch and come back in their order. An empty line
// is not asked about.
func Example() {
	s, err := standin.Start(standin.Config{Batches: func(standin.BatchCall) standin.Fate { return standin.Fate{Polls: 1} }})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	dir, err := os.MkdirTemp("", "batch")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer batch.Remove(dir)

	ctx := context.Background()
	endpoint, _ := wire.ParseEndpoint(s.URL())
	client := wire.NewClient(wire.Options{Endpoint: endpoint, API: "chat", Timeout: time.Minute, Jobs: 1, Lifetime: ctx})
	input := bufio.NewScanner(strings.NewReader("one\n\ntwo\n"))
	err = batch.Run(ctx, batch.Job{
		Client:   client,
		URL:      batch.URLOf("chat"),
		Dir:      dir,
		Endpoint: endpoint.String(),
		Resubmit: 2,
		Retries:  5,
		MaxWait:  10 * time.Minute,
		Requests: func(yield func(batch.Request, error) bool) {
			for input.Scan() {
				r := batch.Request{Model: "gpt-test", Data: input.Bytes()}
				if len(r.Data) > 0 {
					body, err := wire.Encode("chat", &llm.Prompt{
						Params:   llm.Params{Model: r.Model},
						Messages: []llm.Message{{Role: "user", Content: "upper " + input.Text()}},
					})
					if err != nil {
						yield(r, err)
						return
					}
					r.Body = body
				}
				if !yield(r, nil) {
					return
				}
			}
			if err := input.Err(); err != nil {
				yield(batch.Request{}, err)
			}
		},
		Read: func(status int, body []byte) (*llm.Response, error) {
			one := llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) { return client.ReadAnswer(status, body) })
			return answer.Check(one, false, nil).Complete(ctx, nil)
		},
		Emit: func(r batch.Result) error {
			switch {
			case !r.Asked:
				fmt.Printf("%q\n", r.Data)
			case r.Err != nil:
				fmt.Printf("%q failed: %v\n", r.Data, r.Err)
			default:
				fmt.Printf("%q: %q\n", r.Data, r.Response.Text)
			}
			return nil
		},
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// "one": "ONE"
	// ""
	// "two": "TWO"
}
