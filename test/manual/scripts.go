package manual

import (
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gptpipe/pkg/cli"
)

var update = flag.Bool("update", false, "write the completions anew")

// checkCompletions holds the completions in the tree against those that the
// flags make.
func checkCompletions(t *testing.T, c Command, flags Flags) {
	m := menuOf(c, flags)
	for ext, text := range map[string]string{"bash": m.bash(), "zsh": m.zsh(), "fish": m.fish()} {
		path := filepath.Join(root(t), "completions", c.Name+"."+ext)
		if *update {
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if data, err := os.ReadFile(path); err != nil || string(data) != text {
			t.Errorf("%s is not what the flags make (%v): run make completions", path, err)
		}
	}
}

// A menu is what can be completed: the calls and flags of a command.
type menu struct {
	name  string
	calls []entry // or one without a name
	all   []option
}

// An entry is a call.
type entry struct {
	name, about string
	files       bool // its operands are files
	options     []option
}

// An option is a flag and what is known of its value.
type option struct {
	cli.Definition
	value string // as the usage text names it: FILE, URL
	about string // or empty
}

// What a value is completed from.
const (
	fromNothing  = ""
	fromWords    = "words"
	fromFiles    = "files"
	fromFolders  = "folders"
	fromAtFiles  = "atfiles" // @FILE
	fromModels   = "models"
	fromProfiles = "profiles"
)

// from tells what the value is completed from.
func (o option) from() string {
	switch {
	case o.Bool:
		return fromNothing
	case o.Words != nil:
		return fromWords
	case o.Name == "model":
		return fromModels
	case o.Name == "profile":
		return fromProfiles
	case o.Name == "system", o.Name == "prompt":
		return fromAtFiles
	case o.value == "FILE":
		return fromFiles
	case o.value == "DIR":
		return fromFolders
	}
	return fromNothing
}

// menuOf joins the flags of c with what the usage text says of them.
func menuOf(c Command, flags Flags) menu {
	values, about := described(c.Usage)
	head, _, _ := strings.Cut(c.Usage, "\n\n")
	option := func(d cli.Definition) option {
		o := option{Definition: d, value: values[d.Name], about: short(about["--"+d.Name])}
		o.Repeat = o.Repeat || strings.Contains(about["--"+d.Name], "repeatable")
		if words := strings.Split(o.value, "|"); len(words) > 1 && o.Words == nil && o.value == strings.ToLower(o.value) {
			o.Words = words
		}
		return o
	}
	m := menu{name: c.Name}
	for _, call := range slices.Sorted(maps.Keys(flags)) {
		e := entry{name: call, about: short(about[call])}
		synopsis := head
		if call != "" {
			_, synopsis, _ = strings.Cut(head, c.Name+" "+call)
			synopsis, _, _ = strings.Cut(synopsis, "\n       "+c.Name)
		}
		e.files = strings.Contains(synopsis, "[FILE")
		defs := append(flags[call], cli.Definition{Name: "help", Letter: "h", Bool: true}, cli.Definition{Name: "version", Bool: true})
		for _, d := range defs {
			e.options = append(e.options, option(d))
		}
		m.calls = append(m.calls, e)
	}
	for _, d := range flags.all() {
		m.all = append(m.all, option(d))
	}
	return m
}

var (
	flagsOnLine = regexp.MustCompile(`--([a-z][a-z-]*)(?:[ =]([A-Z][A-Z=|%]*|[a-z]+(?:\|[a-z]+)+))?`)
	callOnLine  = regexp.MustCompile(`^([a-z]+) +(\S.*)$`)
)

// described reads what the usage text says of flags and calls: the names of
// their values, and what they are for, by "--name" or call.
func described(usage string) (values, about map[string]string) {
	values, about = map[string]string{}, map[string]string{}
	_, body, _ := strings.Cut(usage, "\n\n")
	body, _, _ = strings.Cut(body, "\n  $ ")
	of := ""
	for _, line := range strings.Split(body, "\n") {
		trimmed := strings.TrimSpace(line)
		indent := len(line) - len(strings.TrimLeft(line, " "))
		found := flagsOnLine.FindAllStringSubmatch(line, -1)
		call := callOnLine.FindStringSubmatch(line)
		switch {
		case strings.HasPrefix(trimmed, "-"):
			left, text, _ := strings.Cut(trimmed, "  ")
			for _, f := range flagsOnLine.FindAllStringSubmatch(left, -1) {
				values[f[1]] = f[2]
			}
			of = ""
			if len(found) == 1 {
				of = "--" + found[0][1]
				about[of] = strings.TrimSpace(text)
			}
		case call != nil && strings.Contains(line, "  "):
			of = call[1]
			about[of] = call[2]
		case of != "" && indent >= 8:
			about[of] += " " + trimmed
		default:
			of = ""
		}
	}
	return values, about
}

// short is the beginning of a description, for a list of many.
func short(text string) string {
	text = strings.TrimSpace(text)
	for _, end := range []string{" (", "; ", ": ", ". "} {
		if i := strings.Index(text, end); i > 5 {
			text = text[:i]
		}
	}
	if i := strings.Index(text, ", "); i > 40 {
		text = text[:i]
	}
	return text
}
