package observe

import (
	"strings"
)

// Series writes a name and its labels, given as name and value in turn, as
// the exposition has them.
func Series(name string, labels ...string) string {
	var b strings.Builder
	b.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(labels[i])
		b.WriteString(`="`)
		b.WriteString(escapeLabel(labels[i+1]))
		b.WriteByte('"')
	}
	if len(labels) > 0 {
		b.WriteByte('}')
	}
	return b.String()
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func escapeLabel(s string) string { return labelEscapes.Replace(strings.ToValidUTF8(s, "\ufffd")) }

// A model is whatever the user typed, or a line of a batch says. So MaxModels have series of their own; all that come
// later, and those with names of more than maxModel bytes, are counted as OtherModel.
const (
	MaxModels  = 1000
	OtherModel = "other"
	maxModel   = 200
)

// Model takes the value of the label model from a series, as it stands there, and has OtherModel in its place. The
// model is empty if there is none.
func Model(series string) (model, other string) {
	const label = `model="`
	before, rest, _ := strings.Cut(series, label)
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case '"':
			return rest[:i], before + label + OtherModel + rest[i:]
		}
	}
	return "", series
}

// A Family is the name of a metric that has a series for each command and model.
type Family string

// What a client counts itself.
const (
	CacheHits   Family = "gpt_cache_hits_total"
	CacheMisses Family = "gpt_cache_misses_total"
	Retries     Family = "gpt_retries_total"
	inFlight    Family = "gpt_requests_in_flight"
	queued      Family = "gpt_requests_queued"
)

// Series is that of one command and model.
func (f Family) Series(command, model string) string {
	return Series(string(f), "command", command, "model", model)
}
