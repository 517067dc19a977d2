package limit

import "math"

const (
	leastUsual = 0.01 // of the requests that are turned away, which needs no cut
	leastMore  = 0.03 // of the others, which does
	mostMore   = 0.05 // the same where more is usual
)

// A cusum is the cumulative sum of Page's test (Continuous Inspection Schemes,
// 1954) for a larger part of the requests being turned away than usual: by how
// much that is likelier, in nats, since it was not likelier at all.
type cusum struct {
	sum float64
	counts
}

// send notes a request, of which no more is known.
func (c *cusum) send(usual float64) {
	c.sent++
	if c.sum += math.Log1p(-more(usual)); c.sum <= 0 {
		*c = cusum{}
	}
}

// refuse notes that a request which was sent is turned away.
func (c *cusum) refuse(usual float64) {
	more := more(usual)
	usual = max(usual, leastUsual)
	c.sum += math.Log((usual+(1-usual)*more)/usual) - math.Log1p(-more)
	c.refused++
	c.sent = max(c.sent, c.refused)
}

// more is what part of the requests that are usually answered is turned away too, if it is more than usual.
func more(usual float64) float64 { return min(max(usual, leastMore), mostMore) }
