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
