package main

import (
	"fmt"
	"strings"
)

// zsh is a function for compinit to find, in a file that is to be called after
// the command with an underscore in front.
func (m menu) zsh() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %s\n# zsh "+generated+"\n", m.name, m.name)
	if m.uses(fromProfiles) {
		fmt.Fprintf(&b, `# Profiles that have settings or a key in a file.
_%s_profiles() {
	local dir=${XDG_CONFIG_HOME:-$HOME/.config}/gptpipe
	local -aU names
	names=($dir/{profiles,keys}/[A-Za-z0-9_-]*(N.:t))
	compadd -- $names
}

`, m.name)
	}
	if m.uses(fromModels) {
		fmt.Fprintf(&b, `# Models of the API that is in force, from a list that is a day old at most.
_%s_models() {
	local -a args names
	[[ -n ${opt_args[--profile]} ]] && args+=(--profile "${(Q)opt_args[--profile]}")
	[[ -n ${opt_args[--base-url]} ]] && args+=(--base-url "${(Q)opt_args[--base-url]}")
	names=(${(f)"$(gpt-key models --cached $args 2>/dev/null </dev/null)"})
	compadd -- $names
}

`, m.name)
	}
	fmt.Fprintf(&b, "_%s() {\n\tlocal curcontext=$curcontext context state line\n\tlocal -A opt_args\n", m.name)
	if !m.hasCalls() {
		m.calls[0].zshArguments(&b, m.name, "\t")
	} else {
		fmt.Fprintf(&b, "\tlocal -a calls=(\n")
		for _, e := range m.calls {
			fmt.Fprintf(&b, "\t\t%s\n", quoted(e.name+":"+e.about))
		}
		b.WriteString("\t)\n\t_arguments -S -A '-*'")
		for _, o := range m.before {
			b.WriteString(" " + o.zshSpec(m.name))
		}
		b.WriteString(" '--help[print usage]' '--version[print the version]' '1:call:->call' '*:: :->arguments'\n\tcase $state in\n")
		fmt.Fprintf(&b, "\tcall) _describe call calls ;;\n\targuments)\n\t\tcase $words[1] in\n")
		for _, e := range m.calls {
			fmt.Fprintf(&b, "\t\t%s)\n", e.name)
			e.zshArguments(&b, m.name, "\t\t\t")
			b.WriteString("\t\t\t;;\n")
		}
		b.WriteString("\t\tesac\n\t\t;;\n\tesac\n")
	}
	fmt.Fprintf(&b, "}\n\n_%s \"$@\"\n", m.name)
	return b.String()
}

// zshArguments writes the call of _arguments for the flags of e.
func (e entry) zshArguments(b *strings.Builder, command, indent string) {
	b.WriteString(indent + "_arguments -s -S -A '-*'")
	for _, o := range e.options {
		fmt.Fprintf(b, " \\\n%s\t%s", indent, o.zshSpec(command))
	}
	if e.files { // nothing for other operands: a message alone would keep a flag from being inserted
		fmt.Fprintf(b, " \\\n%s\t'*:file:_files'", indent)
	}
	b.WriteString("\n")
}

// zshSpec is the flag as _arguments takes it.
func (o option) zshSpec(command string) string {
	about, value := "", ""
	if o.about != "" {
		about = "[" + strings.NewReplacer("[", `\[`, "]", `\]`).Replace(o.about) + "]"
	}
	long, short := "--"+o.Name, "-"+o.Letter
	if !o.Bool {
		long, short = long+"=", short+"+"
		name := strings.NewReplacer(":", `\:`, "|", " or ").Replace(strings.ToLower(o.value))
		value = ":" + name + ":" + o.zshAction(command)
	}
	if o.Letter == "" {
		repeat := ""
		if o.Repeat {
			repeat = "*"
		}
		return quoted(repeat + long + about + value)
	}
	return quoted(fmt.Sprintf("(-%s --%s)", o.Letter, o.Name)) + "{" + short + "," + long + "}" + quoted(about+value)
}

func (o option) zshAction(command string) string {
	switch o.from() {
	case fromWords:
		return "(" + strings.Join(o.Words, " ") + ")"
	case fromFiles:
		return "_files"
	case fromFolders:
		return "_files -/"
	case fromAtFiles:
		return "{ compset -P @ && _files }"
	case fromModels:
		return "_" + command + "_models"
	case fromProfiles:
		return "_" + command + "_profiles"
	}
	return " "
}
