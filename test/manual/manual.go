// Package manual holds what is said of a command against what it does: its
// manual page and its usage text against its flags, which are asked of the
// command itself, and the examples of both against what comes out
// when they are run.
//
//	func TestManual(t *testing.T) {
//		manual.Check(t, manual.Command{Name: "gpt-join", Run: run, Usage: usage})
//	}
package manual

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/redact"
)

// A Command is what is checked.
type Command struct {
	Name  string
	Run   func(context.Context, *cli.System) error
	Calls []string // what its first operand may be; none: that is no call
	Usage string
}

// Flags are the flags of a command, or of each of its calls, by name: the
// command without a call is the call "".
type Flags map[string][]cli.Definition

// Check holds page and usage text against the flags of c, each in
// both directions.
func Check(t *testing.T, c Command) {
	flags := c.flags(t)
	page := readPage(t, c.Name+".1")
	t.Run("options", func(t *testing.T) { checkOptions(t, page, c.Usage, flags) })
	t.Run("synopsis", func(t *testing.T) { checkSynopsis(t, page, c, flags) })
	t.Run("environment", func(t *testing.T) { checkEnvironment(t, page, flags) })
	t.Run("status", func(t *testing.T) { checkStatus(t, page, c) })
	t.Run("usage", func(t *testing.T) { checkUsage(t, c.Usage) })
}

// flags asks the command for help, and takes the flags that come with it.
func (c Command) flags(t *testing.T) Flags {
	t.Helper()
	flags := Flags{}
	calls := c.Calls
	if calls == nil {
		calls = []string{""}
	}
	for _, call := range calls {
		args := []string{"--help"}
		if call != "" {
			args = []string{call, "--help"}
		}
		red := new(redact.Redactor)
		err := c.Run(t.Context(), &cli.System{
			Name:   c.Name,
			Args:   args,
			Getenv: func(string) string { return "" },
			Log:    cli.NewLog(c.Name, io.Discard, red),
			Redact: red,
		})
		var help *cli.HelpError
		if !errors.As(err, &help) {
			t.Fatalf("%s %s: got %v", c.Name, strings.Join(args, " "), err)
		}
		flags[call] = help.Flags.Definitions()
	}
	return flags
}

// all are the flags of all calls, each once.
func (f Flags) all() []cli.Definition {
	byName := map[string]cli.Definition{}
	for _, call := range slices.Sorted(maps.Keys(f)) {
		for _, d := range f[call] {
			byName[d.Name] = d
		}
	}
	all := slices.Collect(maps.Values(byName))
	slices.SortFunc(all, func(a, b cli.Definition) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// names is the set of the flags' names, and of those that every command has.
func names(flags []cli.Definition) map[string]bool {
	set := map[string]bool{"help": true, "version": true}
	for _, d := range flags {
		set[d.Name] = true
	}
	return set
}

// same fails t for what is in one set only.
func same(t *testing.T, got, want map[string]bool, gotName, wantName, what string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !got[name] {
			t.Errorf("%s lacks %s%s, which %s has", gotName, what, name, wantName)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if !want[name] {
			t.Errorf("%s has %s%s, which %s has not", gotName, what, name, wantName)
		}
	}
}

// words is the set of what the pattern's first group matches.
func words(pattern *regexp.Regexp, text string) map[string]bool {
	found := map[string]bool{}
	for _, m := range pattern.FindAllStringSubmatch(text, -1) {
		found[m[1]] = true
	}
	return found
}

// root is the folder of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal("no go.mod above the test", err)
	return ""
}
