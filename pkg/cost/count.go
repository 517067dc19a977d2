package cost

import (
	"strings"
	"sync/atomic"

	"gptpipe/pkg/price"
	"gptpipe/pkg/scan"
	"gptpipe/pkg/token"
)

// An Input is what the body of a request says about its cost.
type Input struct {
	Tokens    int // of the input
	Estimated int // of Tokens, those that no published rule counts
	MaxOutput int // tokens that an answer may have, or 0: the body does not say
	Answers   int // that are asked for: n

	// Unknown is why the tokens do not tell the cost, or empty.
	Unknown string
}

// most is a number of input tokens that the real one does not exceed: what is
// estimated may be twice as many.
func (in Input) most() int { return in.Tokens + in.Estimated }

// Tokens that stand around a message and before the answer, and with a name: from
// num_tokens_from_messages in "How to count tokens with tiktoken", OpenAI
// cookbook, which goes to gpt-4o. Later models do not tell; theirs are about as
// many.
const (
	perMessage = 3
	perName    = 1
	perReply   = 3
)

// A Counter counts the input tokens of requests to one model. It is safe for
// concurrent use.
type Counter struct {
	encoding   *token.Encoding
	exact      bool // the encoding is that of the model
	documented bool // and so is what stands around a message
	embeds     bool
	vision     vision

	// What is the same in all requests of a run is counted once.
	system, tools, schema memo
}

// NewCounter returns a counter for model.
func NewCounter(model string) *Counter {
	name, known := token.ForModel(model)
	encoding, err := token.For(name)
	if err != nil {
		panic(err) // ForModel returns no other
	}
	base := baseName(model)
	return &Counter{
		encoding:   encoding,
		exact:      known,
		documented: hasAnyPrefix(base, "gpt-3.5-turbo", "gpt-4-", "gpt-4o") || base == "gpt-4",
		embeds:     strings.HasPrefix(base, "text-embedding-"),
		vision:     visions[base],
	}
}

// baseName is a model without vendor and date, or that which it was made of by
// fine-tuning.
func baseName(model string) string {
	model = model[strings.LastIndexByte(model, '/')+1:]
	if base, ok := strings.CutPrefix(model, "ft:"); ok {
		model, _, _ = strings.Cut(base, ":")
	}
	return price.Undated(model)
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// Text returns the number of tokens of a text, such as an answer.
func (c *Counter) Text(text string) int { return c.encoding.Count(text) }

// Count reads a request body of chat completions, responses or embeddings. Its
// error is that of a body that is none of these.
func (c *Counter) Count(body []byte) (Input, error) {
	t := tally{Counter: c, Input: Input{Answers: 1}}
	if err := scan.Fields(body, t.field); err != nil {
		return Input{}, err
	}
	if t.chat {
		t.around(perReply)
	}
	if !c.exact {
		t.Estimated = t.Tokens
	}
	return t.Input, nil
}

// A memo remembers the count of the last value. A nil *memo counts each time.
type memo struct{ last atomic.Pointer[counted] }

type counted struct {
	value  string
	tokens int
}

func (m *memo) count(c *Counter, value []byte) (int, error) {
	if m != nil {
		if last := m.last.Load(); last != nil && last.value == string(value) {
			return last.tokens, nil
		}
	}
	text, err := scan.Text(value)
	if err != nil {
		return 0, err
	}
	n := c.encoding.Count(text)
	if m != nil {
		m.last.Store(&counted{string(value), n})
	}
	return n, nil
}
