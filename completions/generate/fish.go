package main

import (
	"fmt"
	"slices"
	"strings"
)

// fish is a list of the command's completions.
func (m menu) fish() string {
	fn := "__" + strings.ReplaceAll(m.name, "-", "_")
	var b strings.Builder
	fmt.Fprintf(&b, "# fish "+generated+"\n", m.name)
	if m.uses(fromModels) {
		fmt.Fprintf(&b, `# Models of the API that is in force, from a list that is a day old at most.
function %s_models
	set -l args
	set -l words (commandline -opc)
	for i in (seq (count $words))
		switch $words[$i]
			case --profile --base-url
				test $i -lt (count $words); and set -a args $words[$i] $words[(math $i + 1)]
			case '--profile=*' '--base-url=*'
				set -a args $words[$i]
		end
	end
	gpt-key models --cached $args 2>/dev/null </dev/null
end

`, fn)
	}
	if m.uses(fromProfiles) {
		fmt.Fprintf(&b, `# Profiles that have settings or a key in a file.
function %s_profiles
	set -l dir $HOME/.config/gptpipe
	set -q XDG_CONFIG_HOME; and set dir $XDG_CONFIG_HOME/gptpipe
	for file in $dir/profiles/* $dir/keys/*
		string match -r '^[A-Za-z0-9_-][A-Za-z0-9._-]*$' (string replace -r '.*/' '' $file)
	end | sort -u
end

`, fn)
	}
	_, letters := m.letters()
	if m.uses(fromAtFiles) {
		fmt.Fprintf(&b, `# Files of which a text is read.
function %s_texts
	set -l word (string replace -r '^(--[a-z-]+=|%s)' '' -- (commandline -ct))
	string match -q '@*' -- $word; and printf '@%%s\n' (__fish_complete_path (string sub -s 2 -- $word))
end

`, fn, m.cluster(letters))
	}
	if m.attachedFiles() {
		fmt.Fprintf(&b, `# Files behind a letter, where fish does not look for them.
function %s_files
	set -l word (string replace -rf '^%s' '' -- (commandline -ct)); and __fish_complete_path $word
end

`, fn, m.cluster(letters))
	}
	fmt.Fprintf(&b, `# Whether flags can stand here: before the operands, and behind the call.
function %s_at
	set -l call
	set -l value
	for word in (commandline -opc)[2..-1]
		if test -n "$value"
			set value
			continue
		end
%s		switch $word
			case --
				return 1
			case %s
				set value 1
			case '--*'
			case '-*'
				%s
			case '*'
				%s
		end
	end
	test "$call" = "$argv[1]"
end

`, fn, m.fishBefore(), m.fishLong(), m.fishShort(), m.fishOperand())
	complete := "complete -c " + m.name
	at := func(call string) string { return strings.TrimRight(fmt.Sprintf(" -n '%s_at %s", fn, call), " ") + "'" }
	if !m.hasCalls() {
		if !m.calls[0].files {
			fmt.Fprintf(&b, "%s -f\n", complete)
		}
		for _, o := range m.calls[0].options {
			fmt.Fprintf(&b, "%s%s%s\n", complete, at(""), o.fish(fn))
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s -f\n", complete)
	for _, o := range m.before {
		fmt.Fprintf(&b, "%s%s%s\n", complete, at(""), o.fish(fn))
	}
	for _, o := range m.calls[0].options {
		if o.Name == "help" || o.Name == "version" {
			fmt.Fprintf(&b, "%s%s%s\n", complete, at(""), o.fish(fn))
		}
	}
	for _, e := range m.calls {
		fmt.Fprintf(&b, "%s%s -a %s%s\n", complete, at(""), e.name, fishAbout(e.about))
		if e.files {
			fmt.Fprintf(&b, "%s -n '__fish_seen_subcommand_from %s' -F\n", complete, e.name)
		}
		for _, o := range e.options {
			fmt.Fprintf(&b, "%s%s%s\n", complete, at(e.name), o.fish(fn))
		}
	}
	return b.String()
}

// fishBefore ends at a flag that cannot stand before the call.
func (m menu) fishBefore() string {
	if !m.hasCalls() {
		return ""
	}
	line := `		test -z "$call"; and string match -q -- '-*' $word`
	for _, o := range m.before {
		line += fmt.Sprintf("; and not string match -qr -- '^--%s(=|$)' $word", o.Name)
	}
	return line + "; and return 1\n"
}

// fishLong are the flags that have their value in the next word.
func (m menu) fishLong() string {
	var names []string
	for _, o := range m.all {
		if !o.Bool {
			names = append(names, "--"+o.Name)
		}
	}
	return strings.Join(names, " ")
}

func (m menu) fishShort() string {
	_, letters := m.letters()
	if letters == "" {
		return "true"
	}
	return fmt.Sprintf("string match -qr '^%s$' -- $word; and set value 1", m.cluster(letters))
}

func (m menu) fishOperand() string {
	if !m.hasCalls() {
		return "return 1"
	}
	return `test -n "$call"; and return 1; or set call $word`
}

// attachedFiles reports whether a letter has a file for its value.
func (m menu) attachedFiles() bool {
	return slices.ContainsFunc(m.all, func(o option) bool { return o.from() == fromFiles && o.Letter != "" })
}

// fish is the flag as arguments of complete.
func (o option) fish(fn string) string {
	s := " -l " + o.Name
	if o.Letter != "" {
		s = " -s " + o.Letter + s
	}
	switch o.from() {
	case fromWords:
		s += " -x -a " + quoted(strings.Join(o.Words, " "))
	case fromFiles:
		s += " -r -F"
		if o.Letter != "" {
			s += " -a '(" + fn + "_files)'"
		}
	case fromFolders:
		s += " -x -a '(__fish_complete_directories)'"
	case fromAtFiles:
		s += " -x -a '(" + fn + "_texts)'"
	case fromModels:
		s += " -x -a '(" + fn + "_models)'"
	case fromProfiles:
		s += " -x -a '(" + fn + "_profiles)'"
	default:
		if !o.Bool {
			s += " -x"
		}
	}
	return s + fishAbout(o.about)
}

func fishAbout(about string) string {
	if about == "" {
		return ""
	}
	return " -d '" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(about) + "'"
}
