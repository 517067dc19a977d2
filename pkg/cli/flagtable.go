//go:build flagtable

package cli

import (
	"encoding/json"
	"errors"
)

// With the tag flagtable, --help prints what is known of the flags, for the
// program that makes completions.
func init() {
	help = func(usage string, err error) string {
		table := FlagTable{Usage: usage}
		if e := new(HelpError); errors.As(err, &e) {
			table.Flags = e.Flags.Definitions()
		}
		text, err := json.Marshal(table)
		if err != nil {
			panic(err) // strings, and what is true or not
		}
		return string(text)
	}
}
