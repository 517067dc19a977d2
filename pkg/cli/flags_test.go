package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type testFlags struct {
	*Flags
	jobs     Count
	prompt   string
	raw      bool
	options  List
	model    string
	quiet    bool
	baseURL  string
	duration Duration
}

func newTestFlags() *testFlags {
	f := &testFlags{Flags: NewFlags(), jobs: Count{N: 16, Min: 1}}
	f.Var(&f.jobs, "jobs", "")
	f.StringVar(&f.prompt, "prompt", "", "")
	f.BoolVar(&f.raw, "raw-input", false, "")
	f.Var(&f.options, "option", "")
	f.Var(&f.duration, "wait", "")
	f.Shared.StringVar(&f.model, "model", "default", "")
	f.Shared.BoolVar(&f.quiet, "quiet", false, "")
	f.Shared.StringVar(&f.baseURL, "base-url", "", "")
	f.Letter('j', "jobs")
	f.Letter('p', "prompt")
	f.Letter('R', "raw-input")
	f.Letter('m', "model")
	f.Letter('q', "quiet")
	return f
}

func (f *testFlags) String() string {
	return fmt.Sprintf("j=%d p=%q R=%v o=%q m=%s q=%v", f.jobs.N, f.prompt, f.raw, []string(f.options), f.model, f.quiet)
}

func TestParse(t *testing.T) {
	tests := []struct{ args, want, operands string }{
		{"", `j=16 p="" R=false o=[] m=default q=false`, ""},
		{"-j4 -p|a b|-R x y", `j=4 p="a b" R=true o=[] m=default q=false`, "x|y"},
		{"-qRj7 -", `j=7 p="" R=true o=[] m=default q=true`, "-"},
		{"-qj 7 --prompt=a=b --model m", `j=7 p="a=b" R=false o=[] m=m q=true`, ""},
		{"--option a=1 --option=b=2 --quiet=false", `j=16 p="" R=false o=["a=1" "b=2"] m=default q=false`, ""},
		{"-p -- -- -j", `j=16 p="--" R=false o=[] m=default q=false`, "-j"},
		{"word -j 4", `j=16 p="" R=false o=[] m=default q=false`, "word|-j|4"},
		{"-p -x", `j=16 p="-x" R=false o=[] m=default q=false`, ""},
		{"-p é", `j=16 p="é" R=false o=[] m=default q=false`, ""},
		{"-j 1 -j 2", `j=2 p="" R=false o=[] m=default q=false`, ""},
	}
	for _, test := range tests {
		f := newTestFlags()
		operands, err := f.Parse(split(test.args))
		if err != nil {
			t.Errorf("%s: %v", test.args, err)
		} else if f.String() != test.want || strings.Join(operands, "|") != test.operands {
			t.Errorf("%s: got %s, operands %q", test.args, f, operands)
		}
	}
}

// split makes arguments of a line: words, or whole texts between bars.
func split(line string) []string {
	var args []string
	for i, part := range strings.Split(line, "|") {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args
}

func TestParseRefuses(t *testing.T) {
	tests := []struct{ args, want string }{
		{"--nope", "unknown flag --nope"},
		{"--jobs", "--jobs needs a value"},
		{"-Rj", "-j (--jobs) needs a value"},
		{"-Rx", "unknown flag -x"},
		{"-é", "unknown flag -é"},
		{"-j 0", `--jobs "0": less than 1`},
		{"-jx", `--jobs "x": not a whole number`},
		{"--quiet=perhaps", `--quiet "perhaps": neither true nor false`},
		{"--wait -1s", `--wait "-1s": negative`},
		{"--wait 5", `--wait "5": not a duration such as 90s, 5m, 24h or 7d`},
	}
	for _, test := range tests {
		_, err := newTestFlags().Parse(split(test.args))
		if err == nil || err.Error() != test.want || StatusOf(err) != StatusUsage {
			t.Errorf("%s: got %v (status %d), want %q", test.args, err, StatusOf(err), test.want)
		}
	}
	for args, want := range map[string]error{"-R --help": ErrHelp, "-Rh": ErrHelp, "--version": ErrVersion} {
		if _, err := newTestFlags().Parse(split(args)); !errors.Is(err, want) {
			t.Errorf("%s: got %v", args, err)
		}
	}
}

func TestPrecedence(t *testing.T) {
	dir := t.TempDir()
	general, profile := filepath.Join(dir, "config"), filepath.Join(dir, "profile")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(general, "# general\nmodel general\nbase-url http://general\nquiet\n")
	write(profile, "model profile # of work\n")
	resolve := func(args string, env map[string]string) string {
		for name, value := range env {
			t.Setenv(name, value)
			defer os.Unsetenv(name)
		}
		f := newTestFlags()
		if _, err := f.Parse(split(args)); err != nil {
			t.Fatal(err)
		}
		if err := f.Environment(os.Getenv, map[string]string{"base-url": "OPENAI_BASE_URL"}); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{profile, general, filepath.Join(dir, "missing")} {
			if err := f.File(path); err != nil {
				t.Fatal(err)
			}
		}
		return fmt.Sprint(f.model, " ", f.baseURL, " ", f.quiet)
	}
	tests := []struct {
		args string
		env  map[string]string
		want string
	}{
		{"", nil, "profile http://general true"},
		{"", map[string]string{"GPT_MODEL": "env", "OPENAI_BASE_URL": "http://openai"}, "env http://openai true"},
		{"-m flag", map[string]string{"GPT_MODEL": "env"}, "flag http://general true"},
		{"--model flag --quiet=false", map[string]string{"GPT_MODEL": "env", "GPT_BASE_URL": "http://gpt", "OPENAI_BASE_URL": "http://openai"}, "flag http://gpt false"},
	}
	for _, test := range tests {
		if got := resolve(test.args, test.env); got != test.want {
			t.Errorf("%q %v: got %s, want %s", test.args, test.env, got, test.want)
		}
	}
}

func TestFlagsOfTheCommandAreNotInTheEnvironment(t *testing.T) {
	t.Setenv("GPT_JOBS", "3")
	t.Setenv("GPT_PROMPT", "surprise")
	f := newTestFlags()
	if err := f.Environment(os.Getenv, nil); err != nil || f.jobs.N != 16 || f.prompt != "" {
		t.Errorf("got %s, %v", f, err)
	}
}

func TestConfigurationErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	for text, want := range map[string]string{
		"nope 1\n":              `"nope" is no flag`,
		"quiet perhaps\n":       `quiet "perhaps": neither true nor false`,
		"model":                 "model has no value",
		"quiet\nmodel # mine\n": "model has no value",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := newTestFlags().File(path)
		if want = path + ": " + want; StatusOf(err) != StatusUsage || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}

	// What cannot be read is not taken for an empty file.
	unreadable := filepath.Join(t.TempDir(), "config")
	if err := os.Symlink("/proc/self/mem", unreadable); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{t.TempDir(): "is a directory", unreadable: "input/output error"} {
		err := newTestFlags().File(path)
		if want = path + ": " + want; StatusOf(err) != StatusUsage || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		if some := newTestFlags().FileSome(path); some == nil || some.Error() != want {
			t.Errorf("%v, want %s", some, want)
		}
	}

	t.Setenv("GPT_QUIET", "yes")
	err := newTestFlags().Environment(os.Getenv, nil)
	if want := `error setting flag "quiet" from environment variable "GPT_QUIET": parse error`; StatusOf(err) != StatusUsage || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Lines are of any length, and what is behind a long one counts.
func TestConfigurationLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	long := strings.Repeat("long ", 100_000)
	text := "model\t" + long + "\r\n  base-url   http://last#not a comment # a comment\nquiet # please\noption a=1\nmodel later\noption b=2"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f := newTestFlags()
	f.Shared.Var(&f.options, "option", "")
	if err := f.File(path); err != nil || f.baseURL != "http://last#not a comment" || !f.quiet || f.model != "later" || len(f.options) != 2 {
		t.Errorf("base URL %q, quiet %t, model %.10q, options %q, error %v", f.baseURL, f.quiet, f.model, f.options, err)
	}
}

func TestText(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prompt")
	if err := os.WriteFile(path, []byte("two\nlines\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]string{"plain": "plain", "@@at": "@at", "@" + path: "two\nlines", "": ""} {
		if got, err := Text(in); err != nil || got != want {
			t.Errorf("%q: got %q, %v", in, got, err)
		}
	}
	if _, err := Text("@" + path + ".missing"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a missing file: %v", err)
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]string{"90s": "1m30s", "7d": "168h0m0s", "0.5d": "12h0m0s", "0": "0s", "1h30m": "1h30m0s"} {
		var d Duration
		if err := d.Set(in); err != nil || d.String() != want {
			t.Errorf("%q: got %v, %v", in, &d, err)
		}
	}
	for _, in := range []string{"", "d", "-1d", "1e9d", "nand", "soon", "-5m"} {
		var d Duration
		if err := d.Set(in); err == nil {
			t.Errorf("%q was taken as %v", in, &d)
		}
	}
}

// --help brings the flags along, as they were registered.
func TestHelpHasTheFlags(t *testing.T) {
	f := newTestFlags()
	f.Shared.Var(&Choice{Of: []string{"a", "b"}}, "api", "")
	_, err := f.Parse([]string{"-R", "--help"})
	var help *HelpError
	if !errors.As(err, &help) {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, d := range help.Flags.Definitions() {
		got = append(got, fmt.Sprintf("%+v", d))
	}
	for _, want := range []string{
		"{Name:raw-input Letter:R Shared:false Bool:true Repeat:false Words:[]}",
		"{Name:option Letter: Shared:false Bool:false Repeat:true Words:[]}",
		"{Name:api Letter: Shared:true Bool:false Repeat:false Words:[a b]}",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("got %q, without %s", got, want)
		}
	}
}
