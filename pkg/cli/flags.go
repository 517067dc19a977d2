package cli

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/peterbourgon/ff/v3"
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
// not ErrHelp or ErrVersion is one of usage.
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
		return nil, ErrHelp
	case name == "version":
		return nil, ErrVersion
	}
	fl := f.lookup(name)
	switch {
	case fl == nil:
		return nil, Usagef("unknown flag --%s", name)
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
			return nil, ErrHelp
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
	if err := set.Set(name, value); err != nil {
		return Usagef("--%s %q: %w", name, value, err)
	}
	return nil
}

// Given reports whether the flag called name was set, by whichever source.
func (f *Flags) Given(name string) bool {
	given := false
	visit := func(fl *flag.Flag) { given = given || fl.Name == name }
	f.FlagSet.Visit(visit)
	f.Shared.Visit(visit)
	return given
}

// Environment sets shared flags that no argument has set from GPT_NAME, then
// from those other variables that fallback names for a flag.
func (f *Flags) Environment(getenv func(string) string, fallback map[string]string) error {
	if err := ff.Parse(&f.Shared, nil, ff.WithEnvVarPrefix("GPT")); err != nil {
		return Usagef("%w", err)
	}
	for name, variable := range fallback {
		if value := getenv(variable); value != "" && !f.Given(name) {
			if err := f.Shared.Set(name, value); err != nil {
				return Usagef("%s: %w", variable, err)
			}
		}
	}
	return nil
}

// File sets shared flags that nothing has set yet from a configuration file:
// one "flag value" a line, # begins a comment. A file that does not exist is
// an empty one.
func (f *Flags) File(path string) error {
	err := ff.Parse(&f.Shared, nil, ff.WithConfigFile(path), ff.WithConfigFileParser(ff.PlainParser))
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return Usagef("%s: %w", path, err)
}

// ConfigDir is the folder of the configuration: $XDG_CONFIG_HOME/gptpipe, else
// $HOME/.config/gptpipe, or "" with neither variable.
func ConfigDir(getenv func(string) string) string { return xdg(getenv, "XDG_CONFIG_HOME", ".config") }

// CacheDir is the folder of the cache: $XDG_CACHE_HOME/gptpipe, else
// $HOME/.cache/gptpipe, or "" with neither variable.
func CacheDir(getenv func(string) string) string { return xdg(getenv, "XDG_CACHE_HOME", ".cache") }

// xdg follows the XDG Base Directory Specification, which has relative paths
// in the variables ignored.
func xdg(getenv func(string) string, variable, underHome string) string {
	if dir := getenv(variable); filepath.IsAbs(dir) {
		return filepath.Join(dir, "gptpipe")
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, underHome, "gptpipe")
	}
	return ""
}

func isBool(f *flag.Flag) bool {
	b, ok := f.Value.(interface{ IsBoolFlag() bool })
	return ok && b.IsBoolFlag()
}

// Text is the value of a flag that takes a text or, as @FILE, the name of a
// file that holds it; @@ at the start is a plain @. The newline that ends the
// file is not part of the text.
func Text(value string) (string, error) {
	switch {
	case strings.HasPrefix(value, "@@"):
		return value[1:], nil
	case strings.HasPrefix(value, "@"):
		data, err := os.ReadFile(value[1:])
		if err != nil {
			return "", fmt.Errorf("%s: %w", value[1:], cause(err))
		}
		return strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r"), nil
	}
	return value, nil
}
