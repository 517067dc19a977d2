package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// EachInput calls read with each FILE operand in turn; "-", or no operand at
// all, is standard input. A file that cannot be opened or read is told, and the
// others go on: ok is false then. An error of standard output ends it.
func EachInput(sys *System, names []string, read func(name string, in io.Reader) error) (ok bool, err error) {
	if len(names) == 0 {
		names = []string{"-"}
	}
	ok = true
	for _, name := range names {
		err := eachInput(sys, name, read)
		var out *OutputError
		if errors.As(err, &out) {
			return false, err
		}
		if err != nil {
			sys.Log.Error(fmt.Errorf("%s: %w", name, cause(err)))
			ok = false
		}
	}
	return ok, nil
}

func eachInput(sys *System, name string, read func(name string, in io.Reader) error) error {
	if name == "-" {
		return read(name, sys.Stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return read(name, f)
}
