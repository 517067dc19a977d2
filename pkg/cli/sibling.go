package cli

import (
	"os"
	"path/filepath"
)

// Sibling is the path of another of the toolkit's commands: beside the running
// one, else its name, to be looked for on PATH.
func Sibling(name string) string {
	self, err := os.Executable()
	if err != nil {
		return name
	}
	path := filepath.Join(filepath.Dir(self), name)
	if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
		return path
	}
	return name
}
