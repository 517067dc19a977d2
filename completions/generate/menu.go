package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"gptpipe/pkg/cli"
)

// A menu is what can be completed: the calls and flags of a command.
type menu struct {
	name   string
	before []option // that can stand before the call
	calls  []entry  // or one without a name
	all    []option
}

// hasCalls reports whether one of several calls comes first.
func (m menu) hasCalls() bool { return m.calls[0].name != "" }

// goesBefore reports whether o can stand before the call.
func (m menu) goesBefore(o option) bool {
	return slices.ContainsFunc(m.before, func(b option) bool { return b.Name == o.Name })
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

// letters are those of the flags that take no value, and of those that do.
func (m menu) letters() (flags, values string) {
	for _, o := range m.all {
		if o.Bool {
			flags += o.Letter
		} else {
			values += o.Letter
		}
	}
	return flags + "h", values
}

// cluster is a regular expression for -abc whose last letter takes one of the
// values of m, as bash and fish read them.
func (m menu) cluster(values string) string {
	flags, _ := m.letters()
	return fmt.Sprintf("-[%s]*[%s]", flags, values)
}

// newMenu joins the flags of a command, before the call and by call, with what
// the usage text says of them.
func newMenu(name, usage string, before []cli.Definition, flags map[string][]cli.Definition) menu {
	values, about := described(usage)
	head, _, _ := strings.Cut(usage, "\n\n")
	option := func(d cli.Definition) option {
		o := option{Definition: d, value: values[d.Name]}
		o.Repeat = o.Repeat || strings.Contains(about["--"+d.Name], "repeatable")
		if words := strings.Split(o.value, "|"); len(words) > 1 && o.Words == nil && o.value == strings.ToLower(o.value) {
			o.Words = words
		}
		if o.value != "" || o.Words == nil {
			o.about = short(ofFlag(about["--"+d.Name], o.Words))
		} else { // the usage text names one of the words, and speaks of that
			o.value = strings.Join(o.Words, "|")
		}
		return o
	}
	m := menu{name: name}
	for _, d := range before {
		m.before = append(m.before, option(d))
	}
	byName := map[string]cli.Definition{}
	for _, call := range slices.Sorted(maps.Keys(flags)) {
		e := entry{name: call, about: short(about[call])}
		synopsis := head
		if call != "" {
			_, synopsis, _ = strings.Cut(head, name+" "+call)
			synopsis, _, _ = strings.Cut(synopsis, "\n       "+name)
		}
		e.files = strings.Contains(synopsis, "[FILE")
		for _, d := range flags[call] {
			byName[d.Name] = d
		}
		defs := append(flags[call], cli.Definition{Name: "help", Letter: "h", Bool: true}, cli.Definition{Name: "version", Bool: true})
		for _, d := range defs {
			e.options = append(e.options, option(d))
		}
		m.calls = append(m.calls, e)
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		m.all = append(m.all, option(byName[name]))
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

// ofFlag is what text says of a flag and not of one of its words alone, for it is
// shown beside each of them: what follows the list of them, if it begins with one.
func ofFlag(text string, words []string) string {
	begins := func(word string) bool { return strings.HasPrefix(text, word) }
	if !slices.ContainsFunc(words, begins) {
		return text
	}
	list, text, _ := strings.Cut(text, ": ")
	for _, word := range words {
		if !strings.Contains(list, word) {
			return ""
		}
	}
	return text
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
