package price

import (
	"encoding/json"

	"gptpipe/pkg/llm"
)

// For returns the price of a model for requests with these options, of which
// service_tier counts, and whether it is known.
func (t *Table) For(model string, options []llm.Option) (Price, bool) {
	p, known := t.Lookup(model)
	tier := ""
	for _, o := range options {
		if o.Key == "service_tier" {
			_ = json.Unmarshal(o.Value, &tier) // what is no string the server refuses
		}
	}
	percent, priced := TierPercent(tier)
	if !known || !priced {
		return Price{}, false
	}
	return p.Scale(percent), true
}
