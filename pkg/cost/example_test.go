package cost_test

import (
	"context"
	"errors"
	"fmt"

	"gptpipe/pkg/cost"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/price"
)

// A run that may cost a tenth of a cent. The answers are shorter than they may
// be, so that there is room for more of them than by the worst case.
func ExampleLimit() {
	const model = "gpt-5-nano"
	rates, known := price.Builtin().Lookup(model)
	if !known {
		fmt.Println("the price of", model, "is not known")
		return
	}
	max, err := price.ParseUSD("0.001")
	if err != nil {
		fmt.Println(err)
		return
	}
	budget := cost.NewBudget(max)
	var server llm.Completer = llm.Func(func(context.Context, *llm.Request) (*llm.Response, error) {
		return &llm.Response{Text: "yes", Usage: []byte(`{"prompt_tokens":10,"completion_tokens":700}`)}, nil
	})
	server = cost.Limit(server, budget, rates, cost.NewCounter(model))

	request := &llm.Request{Model: model, Body: []byte(`{"messages":[{"role":"user","content":"Is it?"}],"max_completion_tokens":1000}`)}
	for {
		_, err := server.Complete(context.Background(), request)
		var exceeded *cost.ExceededError
		if errors.As(err, &exceeded) {
			fmt.Println(exceeded)
			fmt.Println(exceeded.Hint())
			return
		}
		fmt.Println(budget.Spent())
	}
	// Output:
	// $0.000281
	// $0.000561
	// $0.000842
	// the next request may cost $0.000401, which --max-cost $0.001 does not allow: $0.000842 is spent
	// run again with a higher --max-cost to go on
}
