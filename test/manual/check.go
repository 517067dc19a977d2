package manual

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	flagInPage    = regexp.MustCompile(`Fl -([a-z][a-z-]*)`)
	letterInPage  = regexp.MustCompile(`Fl ([A-Za-z])\b`)
	flagInUsage   = regexp.MustCompile(`--([a-z][a-z-]*)`)
	letterInUsage = regexp.MustCompile(`(?m)(?:^|[ \[])-([A-Za-z])\b`)
)

// checkOptions holds OPTIONS and the usage text against all flags.
func checkOptions(t *testing.T, page Page, usage string, flags Flags) {
	all := flags.all()
	known, letters := names(all), map[string]bool{"h": true}
	for _, d := range all {
		if d.Letter != "" {
			letters[d.Letter] = true
		}
	}
	usage, _, _ = strings.Cut(usage, "\n  $ ") // examples have flags of other programs
	name := "man/" + page.Name
	same(t, words(flagInPage, page.sections["OPTIONS"]), known, name, "the command", "--")
	same(t, words(letterInPage, page.sections["OPTIONS"]), letters, name, "the command", "-")
	same(t, words(flagInUsage, usage), known, "the usage text", "the command", "--")
	same(t, words(letterInUsage, usage), letters, "the usage text", "the command", "-")
}

// checkSynopsis holds what SYNOPSIS and the first lines of the usage text say
// of a call against its flags. Where they say "flags", they name but some.
func checkSynopsis(t *testing.T, page Page, c Command, flags Flags) {
	inPage, inUsage := map[string]string{}, map[string]string{}
	for _, part := range strings.Split(page.sections["SYNOPSIS"], ".Nm\n")[1:] {
		call := ""
		if rest, is := strings.CutPrefix(part, ".Cm "); is {
			call, _, _ = strings.Cut(rest, "\n")
		}
		inPage[call] += part
	}
	head, _, _ := strings.Cut(strings.TrimPrefix(c.Usage, "usage:"), "\n\n")
	for _, part := range strings.Split(head, " "+c.Name+" ")[1:] {
		call := ""
		if c.Calls != nil {
			call = strings.Fields(part)[0]
		}
		inUsage[call] = part
	}
	for call, defs := range flags {
		got := words(flagInPage, inPage[call])
		for name := range words(flagInUsage, inUsage[call]) {
			if !names(defs)[name] {
				t.Errorf("the usage text has --%s for %q, which does not know it", name, call)
			}
		}
		for name := range got {
			if !names(defs)[name] {
				t.Errorf("SYNOPSIS has --%s for %q, which does not know it", name, call)
			}
		}
		for _, d := range defs {
			short := d.Letter != "" && strings.Contains(inPage[call], "Fl "+d.Letter+" ")
			if !got[d.Name] && !short && !strings.Contains(inPage[call], "Ar flags") {
				t.Errorf("SYNOPSIS lacks --%s for %q", d.Name, call)
			}
		}
		if inPage[call] == "" || inUsage[call] == "" {
			t.Errorf("%q is not in SYNOPSIS or not in the usage text", call)
		}
	}
	for call := range inPage {
		if _, known := flags[call]; !known {
			t.Errorf("SYNOPSIS has %q, which the command does not know", call)
		}
	}
}

// checkEnvironment holds the variables GPT_NAME that ENVIRONMENT names against
// the flags that can come from there. A page that says "each of the flags from
// -m on" is to have those, and no others, from there on.
func checkEnvironment(t *testing.T, page Page, flags Flags) {
	shared := map[string]bool{}
	for _, d := range flags.all() {
		if d.Shared {
			shared[variable(d.Name)] = true
		}
	}
	text := page.sections["ENVIRONMENT"]
	if !strings.Contains(text, "GPT_MODEL , GPT_BASE_URL , ...") {
		same(t, words(regexp.MustCompile(`\b(GPT_[A-Z_]+)`), text), shared, "ENVIRONMENT", "the command", "")
		return
	}
	own, rest, found := strings.Cut(page.sections["OPTIONS"], "\n.It Fl m Ar name ,")
	if !found {
		t.Fatal("OPTIONS has no -m")
	}
	isOwn, isShared := items(own), items("\n.It Fl -model"+rest)
	for _, d := range flags.all() {
		if d.Shared && isOwn[d.Name] || !d.Shared && !isOwn[d.Name] {
			t.Errorf("--%s is on the wrong side of -m", d.Name)
		}
		if d.Shared && !isShared[d.Name] {
			t.Errorf("--%s has no item behind -m", d.Name)
		}
	}
}

// items are the flags that are heads of a list's items.
func items(list string) map[string]bool {
	found := map[string]bool{}
	for _, line := range strings.Split(list, "\n") {
		if strings.HasPrefix(line, ".It ") {
			maps.Copy(found, words(flagInPage, line))
		}
	}
	return found
}

// variable is the environment variable of a flag.
func variable(flag string) string {
	return "GPT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// statuses are the numbers of cli's exit statuses, by the name that the source has.
var statuses = map[string][]string{
	"Failed": {"1"}, "Usage": {"2"}, "Incomplete": {"3"}, "Refused": {"4"}, "Stopped": {"5"},
}

// checkStatus holds EXIT STATUS against the statuses that the sources of the
// command name, and the usage text against EXIT STATUS.
func checkStatus(t *testing.T, page Page, c Command) {
	want := map[string]bool{"0": true, "1": true, "2": true, "130": true, "143": true, "141": true}
	source := goFiles(t, filepath.Join("cmd", c.Name))
	if strings.Contains(source, `"gptpipe/pkg/client"`) {
		source += goFiles(t, filepath.Join("pkg", "client"))
	}
	for name, numbers := range statuses {
		if strings.Contains(source, "cli.Status"+name) {
			for _, n := range numbers {
				want[n] = true
			}
		}
	}
	got := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\.It ([0-9, ]+)$`).FindAllStringSubmatch(page.sections["EXIT STATUS"], -1) {
		for _, n := range strings.Split(m[1], ",") {
			got[strings.TrimSpace(n)] = true
		}
	}
	same(t, got, want, "EXIT STATUS", "the source", "")
	_, inUsage, _ := strings.Cut(c.Usage, "Exit status:")
	inUsage, _, _ = strings.Cut(inUsage, "\n\n")
	for n := range words(regexp.MustCompile(`(?:^|[,\s])([0-9])\s`), inUsage) {
		if !got[n] {
			t.Errorf("the usage text has exit status %s, the page has not", n)
		}
	}
}

// goFiles are the sources of a folder, its tests left out, as one text.
func goFiles(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
	}
	return b.String()
}

// checkUsage sees that the text fits a terminal, and ends with a real pipe.
func checkUsage(t *testing.T, usage string) {
	head, examples, found := strings.Cut(usage, "\n  $ ")
	if !found || !strings.Contains(examples, " | ") {
		t.Error("the usage text does not end with a pipe")
	}
	for _, line := range strings.Split(head, "\n") {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("a line of the usage text has %d characters: %s", n, line)
		}
	}
	if n := strings.Count(usage, "\n"); n > 75 {
		t.Errorf("the usage text has %d lines", n)
	}
}
