package cli

import (
	"errors"
	"io/fs"

	"github.com/peterbourgon/ff/v3"
)

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
