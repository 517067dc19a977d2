package price

import "gptpipe/pkg/scan"

// MostTokens is more than the context of any model.
const MostTokens = 4 << 20

// A Usage is what a request took, in tokens.
type Usage struct {
	Input   int // all of it
	Cached  int // of Input, read from the provider's prompt cache
	Written int // of Input, written to it
	Output  int // reasoning included
}

// ParseUsage reads the usage of an answer, in the words of chat completions
// (prompt_tokens, completion_tokens) or of responses (input_tokens,
// output_tokens). It is not ok where the server says nothing, or what cannot be.
func ParseUsage(usage []byte) (u Usage, ok bool) {
	ok = true
	read := func(value []byte, to *int) {
		n, good := scan.Count(value, MostTokens)
		if ok = ok && (good || scan.IsNull(value)); good {
			*to = max(*to, n)
		}
	}
	err := scan.Fields(usage, func(name, value []byte) error {
		switch string(name) {
		case "prompt_tokens", "input_tokens":
			read(value, &u.Input)
		case "completion_tokens", "output_tokens":
			read(value, &u.Output)
		case "prompt_tokens_details", "input_tokens_details":
			if scan.IsNull(value) {
				return nil
			}
			return scan.Fields(value, func(name, value []byte) error {
				switch string(name) {
				case "cached_tokens":
					read(value, &u.Cached)
				case "cache_write_tokens":
					read(value, &u.Written)
				}
				return nil
			})
		}
		return nil
	})
	if err != nil || !ok || u.Input+u.Output == 0 {
		return Usage{}, false
	}
	return u, true
}
