package cli

import (
	"fmt"
	"io"
	"os"
	"slices"
)

// Inputs are the FILE operands of a command, read one after the other; "-",
// or no operand at all, is standard input.
type Inputs struct {
	files []*os.File
	names []string
	at    int // of the file after the current one
}

// OpenInputs opens all files before anything is read, so that a name that is
// wrong costs nothing.
func OpenInputs(sys *System, names []string) (*Inputs, error) {
	if len(names) == 0 {
		names = []string{"-"}
	}
	in := &Inputs{names: names}
	for _, name := range names {
		f := sys.Stdin
		if name != "-" {
			var err error
			if f, err = os.Open(name); err != nil {
				in.Close()
				return nil, fmt.Errorf("%s: %w", name, cause(err))
			}
		}
		in.files = append(in.files, f)
	}
	return in, nil
}

// Next returns the next input, and io.EOF after the last.
func (in *Inputs) Next() (io.Reader, error) {
	if in.at == len(in.files) {
		return nil, io.EOF
	}
	in.at++
	return in.files[in.at-1], nil
}

// Sections are what will be read, for those who would count it meanwhile: if all
// of it is in files, and before anything is read.
func (in *Inputs) Sections() ([]*io.SectionReader, bool) {
	var all []*io.SectionReader
	for _, f := range in.files {
		info, err := f.Stat()
		if err != nil || !info.Mode().IsRegular() {
			return nil, false
		}
		at, err := f.Seek(0, io.SeekCurrent)
		if err != nil {
			return nil, false
		}
		all = append(all, io.NewSectionReader(f, at, max(info.Size()-at, 0)))
	}
	return all, true
}

// StdinPath is the path of standard input, if that is read and is a file; else it
// is empty.
func (in *Inputs) StdinPath() string {
	i := slices.Index(in.names, "-")
	if i < 0 {
		return ""
	}
	info, err := in.files[i].Stat()
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	path, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", in.files[i].Fd()))
	return path
}

// Name is the name of the current input, as it was given.
func (in *Inputs) Name() string { return in.names[max(in.at-1, 0)] }

// Close closes the files.
func (in *Inputs) Close() error {
	for _, f := range in.files {
		if f != os.Stdin {
			f.Close()
		}
	}
	return nil
}
