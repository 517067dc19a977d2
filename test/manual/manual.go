// Package manual holds a command's flags against its usage text and its page.
package manual

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gptpipe/pkg/cli"
)

// Check fails t for each flag that the usage text or man/PAGE does not have,
// and for each flag that they have and the command does not.
func Check(t *testing.T, flags *cli.Flags, usage, page string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "man", page))
	if err != nil {
		t.Fatal(err)
	}
	options, _, _ := strings.Cut(string(data), ".Sh ENVIRONMENT")
	options, _, _ = strings.Cut(options, ".Sh EXIT STATUS")
	inPage := words(regexp.MustCompile(`Fl -([a-z][a-z-]*)`), options)
	inUsage := words(regexp.MustCompile(`--([a-z][a-z-]*)`), usage)
	known := map[string]bool{"help": true, "version": true}
	visit := func(f *flag.Flag) {
		known[f.Name] = true
		if !inPage[f.Name] {
			t.Errorf("man/%s does not have --%s", page, f.Name)
		}
		if !inUsage[f.Name] {
			t.Errorf("the usage text does not have --%s", f.Name)
		}
	}
	flags.FlagSet.VisitAll(visit)
	flags.Shared.VisitAll(visit)
	for name := range inPage {
		if !known[name] {
			t.Errorf("man/%s has --%s, which the command does not know", page, name)
		}
	}
	for name := range inUsage {
		if !known[name] {
			t.Errorf("the usage text has --%s, which the command does not know", name)
		}
	}
}

func words(pattern *regexp.Regexp, text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return found
}
