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
	return &Models{make: make, chains: map[string]*chain{}}
}

// Models is what ByModel makes of several models.
type Models struct {
	make func(model string) *Adapter

	mu     sync.Mutex // guards all below
	chains map[string]*chain
}

// A chain is that of one model.
type chain struct {
	*Adapter
	under int // requests that wait for their start or their answer
}

// Complete implements llm.Completer.
func (m *Models) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	c := m.enter(req.Model)
	defer m.leave(c)
	return c.Complete(ctx, req)
}

func (m *Models) enter(model string) *chain {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.chains[model] == nil && len(m.chains) >= maxModels {
		model = ""
	}
	c := m.chains[model]
	if c == nil {
		c = &chain{Adapter: m.make(model)}
		m.chains[model] = c
	}
	c.under++
	return c
}

func (m *Models) leave(c *chain) {
	m.mu.Lock()
	c.under--
	m.mu.Unlock()
}

// Rate is how many requests a second the slowest model gets of those that are
// held and asked just now, see Adapter; 0: none is held. A sum over the models
// would be no limit: what one leaves of its rate is of no use to another.
func (m *Models) Rate() float64 { return leastOf(m, (*Adapter).Rate) }

// AtOnce is how many requests the model has in flight at most that may have the
// fewest, of those that are held and asked just now; 0: none is held.
func (m *Models) AtOnce() int { return leastOf(m, (*Adapter).AtOnce) }

// leastOf is the least of what is not 0 for the models that are asked just now.
func leastOf[N int | float64](m *Models, of func(*Adapter) N) (least N) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.chains {
		if c.under == 0 {
			continue
		}
		if n := of(c.Adapter); n > 0 && (least == 0 || n < least) {
			least = n
		}
	}
	return least
}
