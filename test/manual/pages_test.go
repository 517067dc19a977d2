package manual

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/client"
)

var (
	sections = []string{
		"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "ENVIRONMENT", "FILES", "EXIT STATUS",
		"EXAMPLES", "SEE ALSO", "SECURITY CONSIDERATIONS",
	}
	// others are the pages of other programs that ours refer to.
	others    = strings.Fields("jq.1 make.1 parallel.1 secret-tool.1 sh.1 split.1 systemd.1 systemd.exec.5 xargs.1 sd_listen_fds.3 sd_notify.3")
	reference = regexp.MustCompile(`(?m)^(?:\.It |\.Pq |)\.?Xr ([^ ]+) ([0-9])`)
)

func TestPages(t *testing.T) {
	pages := readPages(t)
	known := slices.Clone(others)
	for _, p := range pages {
		known = append(known, p.Name)
	}
	for _, p := range pages {
		t.Run(p.Name, func(t *testing.T) {
			path := filepath.Join(root(t), "man", p.Name)
			if out, err := exec.Command("mandoc", "-T", "lint", "-W", "warning", path).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("mandoc: %v\n%s", err, out)
			}
			at := -1
			for _, s := range p.order {
				i := slices.Index(sections, s)
				if i <= at {
					t.Errorf("%s is out of its place, or not one of %v", s, sections)
				}
				at = max(at, i)
			}
			for _, display := range p.displays() {
				for _, s := range sessionOf(t, display) {
					for line := range strings.Lines("$ " + s.command) {
						if len(line) > 70 {
							t.Errorf("a command is too wide for a terminal of 80 columns: %s", line)
						}
					}
				}
			}
			if strings.HasSuffix(p.Name, ".1") {
				for _, s := range sections[:9] {
					if p.sections[s] == "" {
						t.Errorf("there is no %s", s)
					}
				}
			}
			var also []string
			for _, m := range reference.FindAllStringSubmatch(p.Text, -1) {
				if !slices.Contains(known, m[1]+"."+m[2]) {
					t.Errorf("it refers to %s(%s), which there is not", m[1], m[2])
				}
			}
			for _, m := range reference.FindAllStringSubmatch(p.sections["SEE ALSO"], -1) {
				also = append(also, m[2]+" "+m[1])
			}
			if len(also) == 0 || !slices.IsSorted(also) {
				t.Errorf("SEE ALSO has %q, not in order of section and name", also)
			}
		})
	}
}

// Every variable that the sources read by name is told on a page.
func TestVariables(t *testing.T) {
	told := map[string]bool{"HOME": true}
	for _, p := range readPages(t) {
		for name := range words(regexp.MustCompile(`\b([A-Z]+_[A-Z_]+|TERM|TMPDIR)\b`), p.sections["ENVIRONMENT"]) {
			told[name] = true
		}
	}
	var source strings.Builder
	for _, dir := range []string{"cmd/*", "pkg/*", "pkg/*/*"} {
		source.WriteString(goFiles(t, dir))
	}
	read := words(regexp.MustCompile(`(?i:getenv)[^"\n]*"([A-Z_]+)"`), source.String())
	if len(read) < 10 {
		t.Fatalf("only %d variables found in the sources: %v", len(read), read)
	}
	for name := range read {
		if !told[name] {
			t.Errorf("no page tells of %s", name)
		}
	}
}

// So are those that the library of HTTP reads, by the commands that use it.
func TestVariablesOfTheLibrary(t *testing.T) {
	for _, page := range []string{"gpt-ask.1", "gpt-map.1", "gpt-key.1", "gpt-config.5"} {
		told := readPage(t, page).sections["ENVIRONMENT"]
		for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"} {
			if !regexp.MustCompile(`(?m)^\.It Ev .*\b` + name + `\b`).MatchString(told) {
				t.Errorf("%s does not tell of %s", page, name)
			}
		}
	}
}

// The settings of gpt-config(5) are the API flags, and so are its variables.
func TestConfigPage(t *testing.T) {
	flags := cli.NewFlags()
	new(client.Flags).Register(flags)
	page := readPage(t, "gpt-config.5")
	_, settings, _ := strings.Cut(page.Text, ".Ss Settings\n")
	settings, _, _ = strings.Cut(settings, ".El\n")
	got, want := map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(settings) {
		if strings.HasPrefix(line, ".It ") {
			line, _, _ = strings.Cut(line, "Cm chat") // the values of api
			for name := range words(regexp.MustCompile(`Cm ([a-z-]+)`), line) {
				got[name] = true
			}
		}
	}
	for _, d := range flags.Definitions() {
		want[d.Name] = true
	}
	same(t, got, want, page.Name, "the command", "")
	checkEnvironment(t, page, Flags{"": flags.Definitions()})
}
