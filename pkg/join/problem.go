package join

import "fmt"

// A Kind of problem.
type Kind int

// The problems.
const (
	Missing   Kind = iota // no record Doc#Seq, or none from Seq to To
	Failed                // the record carries an error, or no value
	NoLast                // nothing says that Seq, the greatest, is the last
	Duplicate             // a record was left out, for its place was taken
	Larger                // a record alone is more than Options.Tokens
	Bad                   // a record was left out, for its doc or seq make no sense
)

// A Problem is what a user should know about a record or its document.
type Problem struct {
	Kind    Kind
	Doc     string
	Seq, To int64
	Late    bool   // Duplicate: the document was complete without it
	Tokens  int    // Larger
	Line    int    // Bad: line of the input
	Detail  string // Failed and Bad: what is wrong
}

func (p Problem) String() string {
	at := fmt.Sprintf("%s#%d", p.Doc, p.Seq)
	switch {
	case p.Kind == Missing && p.To > p.Seq:
		return fmt.Sprintf("%s to %s#%d: missing", at, p.Doc, p.To)
	case p.Kind == Missing:
		return at + ": missing"
	case p.Kind == Failed:
		return at + ": failed: " + p.Detail
	case p.Kind == NoLast:
		return fmt.Sprintf("%s: no last chunk, missing from %s#%d on", p.Doc, p.Doc, p.Seq+1)
	case p.Kind == Duplicate && p.Late:
		return at + ": left out, the document was complete before it"
	case p.Kind == Duplicate:
		return at + ": duplicate, the first one is kept"
	case p.Kind == Larger:
		return fmt.Sprintf("%s: %d tokens, over the limit by itself", at, p.Tokens)
	default:
		return fmt.Sprintf("line %d: %s", p.Line, p.Detail)
	}
}
