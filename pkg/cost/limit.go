package cost

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"gptpipe/pkg/llm"
	"gptpipe/pkg/price"
)

// Limit lets next make no attempt that could cost more than is left of b. It
// stands around what makes a single attempt, inside the retries.
//
// What an attempt cost is told by the usage in its answer, or, where the server
// sends none, by the text of both. An HTTP error costs nothing. An attempt that
// ended without an answer although the server may have worked on it, for a
// timeout, a cut connection or an answer that cannot be read, counts as the most
// that it could cost.
//
// A request whose cost nothing tells, since it refers to what the server has or
// uses what is charged for by other rules, fails as invalid.
//
// With a budget that is [Unlimited] nothing waits or fails, and what is spent is
// the cost of the answers that came.
func Limit(next llm.Completer, b *Budget, p price.Price, c *Counter) llm.Completer {
	return &limiter{next, b, p, c}
}

type limiter struct {
	next    llm.Completer
	budget  *Budget
	price   price.Price
	counter *Counter
}

func (l *limiter) Complete(ctx context.Context, req *llm.Request) (*llm.Response, error) {
	if l.budget.limit == Unlimited {
		resp, err := l.next.Complete(ctx, req)
		if resp != nil {
			l.budget.Settle(0, l.price.Of(l.usage(req, resp)))
		}
		return resp, err
	}
	in, err := l.counter.Count(req.Body)
	if err != nil {
		return nil, invalid(err.Error())
	}
	most, why := Worst(l.price, in)
	if why != "" {
		return nil, invalid("its cost has no known bound: " + why)
	}
	if err := l.budget.Reserve(ctx, most, in.MaxOutput > 0 || l.price.Output == 0); err != nil {
		return nil, err
	}
	resp, err := l.next.Complete(ctx, req)
	switch {
	case resp != nil:
		l.budget.Settle(most, l.price.Of(l.usage(req, resp)))
	case mayBeBilled(err):
		l.budget.Settle(most, most)
	default:
		l.budget.Settle(most, 0)
	}
	return resp, err
}

func invalid(message string) error {
	return &llm.Error{Type: llm.InvalidRequest, Message: message}
}

// Worst returns the most that a request can cost, or why there is no such
// amount.
func Worst(p price.Price, in Input) (most price.Nano, unknown string) {
	if in.Unknown != "" {
		return 0, in.Unknown
	}
	output := in.MaxOutput
	if output == 0 {
		output = p.MaxOutput
	}
	if output == 0 && p.Output > 0 {
		return 0, "neither the request nor the price table says how long an answer may be (--max-tokens does)"
	}
	return p.Most(in.most(), output*in.Answers), ""
}

// usage is what an answer took: by its usage, and by its text where that does
// not say.
func (l *limiter) usage(req *llm.Request, resp *llm.Response) price.Usage {
	u, ok := price.ParseUsage(resp.Usage)
	if !ok || u.Input == 0 {
		if in, err := l.counter.Count(req.Body); err == nil {
			u.Input = in.Tokens
		}
	}
	if !ok || u.Output == 0 {
		u.Output = l.counter.Text(resp.Text) + l.counter.Text(resp.Refusal)
	}
	return u
}

// mayBeBilled tells whether the server may have worked on an attempt that has
// brought no answer.
func mayBeBilled(err error) bool {
	e := llm.Failed(err)
	if e == nil {
		return false // not begun
	}
	switch e.Type {
	case llm.Timeout, llm.Connection, llm.BadResponse, llm.Server:
	default:
		return false // it was turned away
	}
	if e.Status != 0 {
		return e.Status/100 == 2
	}
	var dial *net.OpError
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &dial) && (dial.Op == "dial" || dial.Op == "proxyconnect"):
	case errors.As(err, &certificate), errors.As(err, &record):
	default:
		return true
	}
	return false // it was never sent
}
