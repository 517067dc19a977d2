package cli

import "flag"

// A Definition is a flag as a command has it. Manual, usage text and
// completions are held against these.
type Definition struct {
	Name   string
	Letter string   // that stands for it, or empty
	Shared bool     // it may come from GPT_NAME and the configuration
	Bool   bool     // it takes no value
	Repeat bool     // it can be given again and again
	Words  []string // that its value is one of, or nil
}

// A FlagTable is what a command that was built with the tag flagtable prints for
// --help, as JSON: its usage text, and the flags of the call, if it is one.
type FlagTable struct {
	Usage string
	Flags []Definition
}

// Definitions are all flags: the command's own, then the shared ones, each in
// the order of their names. --help and --version are in every command and not
// among them.
func (f *Flags) Definitions() []Definition {
	letters := map[string]string{}
	for c, name := range f.letters {
		letters[name] = string(c)
	}
	var all []Definition
	add := func(shared bool) func(*flag.Flag) {
		return func(fl *flag.Flag) {
			d := Definition{Name: fl.Name, Letter: letters[fl.Name], Shared: shared, Bool: isBool(fl)}
			switch v := fl.Value.(type) {
			case *Choice:
				d.Words = v.Of
			case *Level:
				d.Words = levelNames
			case *List:
				d.Repeat = true
			}
			all = append(all, d)
		}
	}
	f.FlagSet.VisitAll(add(false))
	f.Shared.VisitAll(add(true))
	return all
}

// A HelpError is ErrHelp, with the flags that help was asked for.
type HelpError struct{ Flags *Flags }

func (e *HelpError) Error() string { return ErrHelp.Error() }
func (e *HelpError) Unwrap() error { return ErrHelp }
