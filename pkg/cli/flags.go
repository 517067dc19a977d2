package cli

import (
	"errors"
	"flag"
	"slices"
	"strings"
)

// ErrHelp and ErrVersion say that --help or --version was asked for.
var (
	ErrHelp    = errors.New("help asked for")
	ErrVersion = errors.New("version asked for")
)

// Flags are the flags of a command: long ones (--jobs 16, --jobs=16), letters
// that stand for them (-j 16, -j16, -qj16), and those that the environment and
// the configuration file may set too. Parsing ends at the first operand or
// at "--".
//
// Letters are folded into their long flag before the environment is read: ff
// asks by name whether a flag was given, and would let GPT_MODEL override -m.
type Flags struct {
	flag.FlagSet              // the command's own
	Shared       flag.FlagSet // may also come from GPT_NAME and the configuration

	letters map[byte]string
}

// NewFlags returns an empty set of flags.
func NewFlags() *Flags { return &Flags{letters: map[byte]string{}} }

// Letter makes -c short for --long.
func (f *Flags) Letter(c byte, long string) { f.letters[c] = long }

// Parse sets the flags from args and returns the operands. An error that is
// not ErrHelp, as a *HelpError, or ErrVersion is one of usage.
func (f *Flags) Parse(args []string) (operands []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		if arg == "--" {
			return args[1:], nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			return args, nil
		}
		args = args[1:]
		if strings.HasPrefix(arg, "--") {
			args, err = f.long(arg[2:], args)
		} else {
			args, err = f.cluster(arg[1:], args)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// long sets --name, --name=value, or --name and the argument that follows.
func (f *Flags) long(arg string, rest []string) ([]string, error) {
	name, value, given := strings.Cut(arg, "=")
	switch {
	case name == "help":
		return nil, &HelpError{f}
	case name == "version":
		return nil, ErrVersion
	}
	fl := f.lookup(name)
	switch {
	case fl == nil:
		return nil, Usagef("unknown flag --%s", flagName(name))
	case given:
	case isBool(fl):
		value = "true"
	case len(rest) == 0:
		return nil, Usagef("--%s needs a value", name)
	default:
		value, rest = rest[0], rest[1:]
	}
	return rest, f.set(name, value)
}

// cluster sets the flags of -abc: letters of flags without a value, then at
// most one with a value, which is the rest or the argument that follows.
func (f *Flags) cluster(letters string, rest []string) ([]string, error) {
	for i := 0; i < len(letters); i++ {
		name, known := f.letters[letters[i]]
		switch {
		case letters[i] == 'h' && !known:
			return nil, &HelpError{f}
		case !known:
			return nil, Usagef("unknown flag -%s", firstRune(letters[i:]))
		case isBool(f.lookup(name)):
			if err := f.set(name, "true"); err != nil {
				return nil, err
			}
		case i+1 < len(letters):
			return rest, f.set(name, letters[i+1:])
		case len(rest) == 0:
			return nil, Usagef("-%c (--%s) needs a value", letters[i], name)
		default:
			return rest[1:], f.set(name, rest[0])
		}
	}
	return rest, nil
}

// flagName is what is repeated of a flag that there is not.
func flagName(s string) string {
	if len(s) > 20 {
		return Value(s)
	}
	return s
}

func firstRune(s string) string {
	for _, r := range s {
		return string(r)
	}
	return s
}

func (f *Flags) lookup(name string) *flag.Flag {
	if fl := f.FlagSet.Lookup(name); fl != nil {
		return fl
	}
	return f.Shared.Lookup(name)
}

func (f *Flags) set(name, value string) error {
	set := &f.FlagSet
	if set.Lookup(name) == nil {
		set = &f.Shared
	}
	return assign(set, "--"+name, name, value)
}

// assign sets a flag to what stands at source.
func assign(set *flag.FlagSet, source, name, value string) error {
	if err := set.Set(name, value); err != nil {
		return Usagef("%s %s: %w", source, Value(value), unset(set.Lookup(name), err))
	}
	return nil
}

// unset is why a flag cannot be set, in words.
func unset(fl *flag.Flag, err error) error {
	if isBool(fl) {
		return errors.New("neither true nor false")
	}
	return err
}

// Given reports whether the flag called name was set, by whichever source.
func (f *Flags) Given(name string) bool {
	given := false
	visit := func(fl *flag.Flag) { given = given || fl.Name == name }
	f.FlagSet.Visit(visit)
	f.Shared.Visit(visit)
	return given
}

// Typed lists the flags that were given, with their values, but for some: by
// name, so that -m x and --model=x are the same.
func (f *Flags) Typed(except []string) []string {
	var typed []string
	visit := func(fl *flag.Flag) {
		if !slices.Contains(except, fl.Name) {
			typed = append(typed, "--"+fl.Name+"="+fl.Value.String())
		}
	}
	f.FlagSet.Visit(visit)
	f.Shared.Visit(visit)
	return typed
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}
