package manual

import (
	"fmt"
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
	if m.uses(fromAtFiles) {
		fmt.Fprintf(&b, `# Files of which a text is read.
function %s_texts
	set -l word (commandline -ct)
	string match -q '@*' -- $word; and printf '@%%s\n' (__fish_complete_path (string sub -s 2 -- $word))
end

`, fn)
	}
	complete := "complete -c " + m.name
	if m.calls[0].name == "" {
		if !m.calls[0].files {
			fmt.Fprintf(&b, "%s -f\n", complete)
		}
		for _, o := range m.calls[0].options {
			fmt.Fprintf(&b, "%s%s\n", complete, o.fish(fn))
		}
		return b.String()
	}
	fmt.Fprintf(&b, "%s -f\n", complete)
	for _, e := range m.calls {
		fmt.Fprintf(&b, "%s -n __fish_use_subcommand -a %s%s\n", complete, e.name, fishAbout(e.about))
		seen := fmt.Sprintf(" -n '__fish_seen_subcommand_from %s'", e.name)
		if e.files {
			fmt.Fprintf(&b, "%s%s -F\n", complete, seen)
		}
		for _, o := range e.options {
			fmt.Fprintf(&b, "%s%s%s\n", complete, seen, o.fish(fn))
		}
	}
	return b.String()
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
