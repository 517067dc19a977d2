package join

import "fmt"

// A Kind of problem.
type Kind int

// The problems.
const (
	Missing   Kind = iota // no record Doc#Seq, or none from Seq to To
	Failed                // the record carries an error, or no value
	NoLast                // nothing says that Seq, the greatest, is the last
	Duplicate             // records Seq to To were left out, for their places were taken
	Behind                // records Seq to To were left out, for Last says it is the last
	Larger                // a record alone is more than Options.Tokens
	Offsets               // start and end cannot be those of the text
	Bad                   // a record was left out, for its seq makes no sense
)

// A Problem is what a user should know about a record or its document.
type Problem struct {
	Kind    Kind
	Doc     string
	Seq, To int64
	Last    int64  // Behind
	Differs bool   // Duplicate: not known to have the value of the first
	Tokens  int    // Larger
	Line    int    // Bad: line of the input
	Detail  string // Failed and Bad: what is wrong
}

func (p Problem) String() string {
	doc := brief(p.Doc)
	at := fmt.Sprintf("%s#%d", doc, p.Seq)
	many := p.To > p.Seq
	if many {
		at = fmt.Sprintf("%s to %s#%d", at, doc, p.To)
	}
	switch {
	case p.Kind == Missing:
		return at + ": missing"
	case p.Kind == Failed:
		return at + ": failed: " + brief(p.Detail)
	case p.Kind == NoLast:
		return fmt.Sprintf("%s: no last chunk, missing from %s#%d on", doc, doc, p.Seq+1)
	case p.Kind == Duplicate && p.Differs && many:
		return at + ": duplicates with another content, the first ones are kept"
	case p.Kind == Duplicate && p.Differs:
		return at + ": duplicate with another content, the first one is kept"
	case p.Kind == Duplicate && many:
		return at + ": duplicates, the first ones are kept"
	case p.Kind == Duplicate:
		return at + ": duplicate, the first one is kept"
	case p.Kind == Behind:
		return fmt.Sprintf("%s: left out, for %s#%d says it is the last", at, doc, p.Last)
	case p.Kind == Larger:
		return fmt.Sprintf("%s: %d tokens, over the limit by itself", at, p.Tokens)
	case p.Kind == Offsets:
		return at + ": start and end do not fit the text, no overlap is cut off"
	default:
		return fmt.Sprintf("line %d: %s", p.Line, p.Detail)
	}
}

// brief shortens what somebody else wrote to what a message can hold.
func brief(s string) string {
	const most = 500
	if len(s) <= most {
		return s
	}
	cut := most
	for cut > 0 && s[cut]&0xc0 == 0x80 {
		cut--
	}
	return s[:cut] + " ..."
}
