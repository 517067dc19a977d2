package token

import "strings"

// models lists the beginnings of model names with their encodings, after
// tiktoken's model.py; the longest that fits decides.
var models = map[string]string{
	"o1":                     O200k,
	"o3":                     O200k,
	"o4-mini":                O200k,
	"gpt-5":                  O200k,
	"gpt-4.5":                O200k,
	"gpt-4.1":                O200k,
	"gpt-4o":                 O200k,
	"chatgpt-4o":             O200k,
	"gpt-oss":                O200k, // o200k_harmony, which adds special tokens only
	"gpt-4":                  CL100k,
	"gpt-3.5":                CL100k,
	"gpt-35-turbo":           CL100k, // as Azure spells it
	"davinci-002":            CL100k,
	"babbage-002":            CL100k,
	"text-embedding-ada-002": CL100k,
	"text-embedding-3":       CL100k,
}

// ForModel returns the name of the encoding that model uses, as [For] takes it.
// A vendor in front ("openai/gpt-4o") and the mark of a fine-tuned model
// ("ft:gpt-4o:…") do not matter. If the model is not known, the name is that of
// the newest encoding and known is false.
func ForModel(model string) (name string, known bool) {
	model = model[strings.LastIndexByte(model, '/')+1:]
	model = strings.TrimPrefix(model, "ft:")
	name, longest := O200k, ""
	for prefix, encoding := range models {
		if len(prefix) > len(longest) && strings.HasPrefix(model, prefix) && endsName(model[len(prefix):]) {
			name, longest = encoding, prefix
		}
	}
	return name, longest != ""
}

// endsName tells whether a family name may end before rest: "gpt-4" is the
// family of "gpt-4-turbo" and "gpt-5" that of "gpt-5.1", but "o1" is not that of "o10".
func endsName(rest string) bool {
	return rest == "" || strings.ContainsRune("-.:", rune(rest[0]))
}
