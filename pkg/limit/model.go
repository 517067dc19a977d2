package limit

import (
	"context"
	"sync"

	"gptpipe/pkg/llm"
)

// maxModels is how many models have limits of their own; what other names there are is asked under one.
const maxModels = 256

// ByModel is New for requests that name different models: each has the pacer
// that make makes of its name. Beyond 256 of them the rest have that of "".
func ByModel(next llm.Completer, make func(model string) Pacer) llm.Completer {
	return &byModel{next: next, make: make, limiters: map[string]llm.Completer{}}
}

type byModel struct {
	next llm.Completer
	make func(model string) Pacer

	mu       sync.Mutex
	limiters map[string]llm.Completer
}

func (b *byModel) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	return b.of(req.Model).Complete(ctx, req)
}

func (b *byModel) of(model string) llm.Completer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limiters[model] == nil && len(b.limiters) >= maxModels {
		model = ""
	}
	l := b.limiters[model]
	if l == nil {
		l = New(b.next, b.make(model))
		b.limiters[model] = l
	}
	return l
}
