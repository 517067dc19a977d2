package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/peterbourgon/ff/v3"
)

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
// one "flag value" a line, # begins a comment. Those of the names of others are
// passed over. A file that does not exist is an empty one.
func (f *Flags) File(path string, others ...string) error {
	parser := func(r io.Reader, set func(name, value string) error) error {
		return ff.PlainParser(r, func(name, value string) error {
			switch {
			case slices.Contains(others, name):
				return nil
			case f.Shared.Lookup(name) == nil:
				return fmt.Errorf("%s is no flag", Value(name))
			}
			return set(name, value)
		})
	}
	err := ff.Parse(&f.Shared, nil, ff.WithConfigFile(path), ff.WithConfigFileParser(parser))
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return Usagef("%s: %w", path, err)
}

// FileSome is File for a command that has some of the shared flags only: lines
// of the configuration for the others are passed over.
func (f *Flags) FileSome(path string) error {
	err := ff.Parse(&f.Shared, nil, ff.WithConfigFile(path), ff.WithConfigFileParser(ff.PlainParser), ff.WithIgnoreUndefined(true))
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return Usagef("%s: %w", path, err)
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
