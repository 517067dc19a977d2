package limit

import (
	"context"
	"sync"

	"gptpipe/pkg/llm"
)

// maxModels is how many models have limits of their own; what other names there are is asked under one.
const maxModels = 256

// ByModel sends the requests for each model through a chain of their own, which
// make makes of its name: a provider's limits are those of a model. Beyond 256
// models the rest have that of "".
func ByModel(make func(model string) *Adapter) *Models {
	return &Models{make: make, chains: map[string]*Adapter{}}
}

// Models is what ByModel makes of several models.
type Models struct {
	make func(model string) *Adapter

	mu     sync.Mutex
	chains map[string]*Adapter
}

// Complete implements llm.Completer.
func (m *Models) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	return m.of(req.Model).Complete(ctx, req)
}

func (m *Models) of(model string) *Adapter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.chains[model] == nil && len(m.chains) >= maxModels {
		model = ""
	}
	a := m.chains[model]
	if a == nil {
		a = m.make(model)
		m.chains[model] = a
	}
	return a
}

// Rate is the sum of the models' rates, see Adapter, or 0 if one has none.
func (m *Models) Rate() float64 { return sumOf(m, (*Adapter).Rate) }

// AtOnce is the sum of what the models have in flight at most, or 0 if one has
// as many as come.
func (m *Models) AtOnce() int { return sumOf(m, (*Adapter).AtOnce) }

func sumOf[N int | float64](m *Models, of func(*Adapter) N) (sum N) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.chains {
		n := of(a)
		if n == 0 {
			return 0
		}
		sum += n
	}
	return sum
}
