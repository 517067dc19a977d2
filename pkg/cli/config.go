package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/peterbourgon/ff/v3"
)

// Environment sets shared flags that no argument has set from GPT_NAME, then
// from those other variables that fallback names for a flag.
func (f *Flags) Environment(getenv func(string) string, fallback map[string]string) error {
	if err := ff.Parse(&f.Shared, nil, ff.WithEnvVarPrefix("GPT")); err != nil {
		return Usagef("%w", errors.Unwrap(err)) // which names the variable
	}
	for name, variable := range fallback {
		if value := getenv(variable); value != "" && !f.Given(name) {
			if err := assign(&f.Shared, variable, name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// File sets shared flags that nothing has set yet from a configuration file:
// one "flag value" a line, # begins a comment. Those of the names of others are
// passed over. A file that does not exist is an empty one.
func (f *Flags) File(path string, others ...string) error {
	return f.file(path, func(name string) bool { return slices.Contains(others, name) })
}

// FileSome is File for a command that has some of the shared flags only: lines
// of the configuration for the others are passed over.
func (f *Flags) FileSome(path string) error {
	return f.file(path, func(string) bool { return true })
}

func (f *Flags) file(path string, passes func(name string) bool) error {
	// ff's own parser ends at a line of 64 KiB without a word, and takes a flag without its value for "true".
	parser := func(r io.Reader, set func(name, value string) error) error {
		text, err := io.ReadAll(r)
		if err != nil {
			return cause(err)
		}
		for line := range strings.Lines(string(text)) {
			name, value := setting(line)
			fl := f.Shared.Lookup(name)
			switch {
			case name == "", fl == nil && passes(name):
				continue
			case fl == nil:
				return fmt.Errorf("%s is no flag", Value(name))
			case value == "" && !isBool(fl):
				return fmt.Errorf("%s has no value", name)
			case value == "":
				value = "true"
			}
			if err := set(name, value); err != nil {
				return fmt.Errorf("%s %s: %w", name, Value(value), unset(fl, errors.Unwrap(err)))
			}
		}
		return nil
	}
	err := ff.Parse(&f.Shared, nil, ff.WithConfigFile(path), ff.WithConfigFileParser(parser))
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return Usagef("%s: %w", path, err)
}

// setting divides a line of the configuration. A comment has no name.
func setting(line string) (name, value string) {
	line = strings.TrimSpace(line)
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		line, value = line[:i], line[i:]
	}
	if strings.HasPrefix(line, "#") {
		return "", ""
	}
	value, _, _ = strings.Cut(strings.ReplaceAll(value, "\t#", " #"), " #")
	return line, strings.TrimSpace(value)
}

// ProfileFrom sets the shared flag profile from the configuration, if neither
// an argument nor the environment has. It comes before the files are read: the
// profile's own comes first, and must be known by then.
func (f *Flags) ProfileFrom(path string) error {
	if f.Given("profile") {
		return nil
	}
	only := NewFlags()
	only.Shared.String("profile", "", "")
	if err := only.FileSome(path); err != nil || !only.Given("profile") {
		return err
	}
	return f.Shared.Set("profile", only.Shared.Lookup("profile").Value.String())
}

// ConfigDir is the folder of the configuration: $XDG_CONFIG_HOME/gptpipe, else
// $HOME/.config/gptpipe, or "" with neither variable.
func ConfigDir(getenv func(string) string) string { return xdg(getenv, "XDG_CONFIG_HOME", ".config") }

// CacheDir is the folder of the cache: $XDG_CACHE_HOME/gptpipe, else
// $HOME/.cache/gptpipe, or "" with neither variable.
func CacheDir(getenv func(string) string) string { return xdg(getenv, "XDG_CACHE_HOME", ".cache") }

// StateDir is the folder of what is to outlive a run: $XDG_STATE_HOME/gptpipe,
// else $HOME/.local/state/gptpipe, or "" with neither variable.
func StateDir(getenv func(string) string) string {
	return xdg(getenv, "XDG_STATE_HOME", ".local/state")
}

// AuditLog is the log of the uses of credentials, see package audit, or "".
func AuditLog(getenv func(string) string) string {
	dir := StateDir(getenv)
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, "audit.jsonl")
}

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
