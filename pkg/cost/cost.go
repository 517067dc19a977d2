// Package cost says what requests cost, before they are sent and after, and
// stops a run before it costs more than its user allows.
//
// A [Counter] reads the encoded body of a request and counts what it will take.
// The text of chat messages is counted by OpenAI's published rule; what there
// is no rule for is estimated, and said to be ([Input]).
//
// A [Budget] is the limit of a run. [Limit] puts it around a Completer: each
// attempt reserves the most that it can cost, waits while that does not fit
// because of others in flight, and is settled with what it did cost. Since all
// that is in flight is reserved, the sum never passes the limit, as far as the
// prices are right and the server keeps to the tokens it was allowed. When a
// request no longer fits, the run is to end with an [ExceededError].
//
// An [Estimate] sums up a run that is not made.
//
// The prices are package price's.
package cost
