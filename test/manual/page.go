package manual

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Page is a manual page: its mdoc source.
type Page struct {
	Name, Text string
	sections   map[string]string
	order      []string
}

func readPage(t *testing.T, name string) Page {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root(t), "man", name))
	if err != nil {
		t.Fatal(err)
	}
	p := Page{Name: name, Text: string(data), sections: map[string]string{}}
	for _, part := range strings.Split("\n"+p.Text, "\n.Sh ")[1:] {
		title, text, _ := strings.Cut(part, "\n")
		p.order = append(p.order, title)
		p.sections[title] = text
	}
	return p
}

// readPages reads all that there are.
func readPages(t *testing.T) []Page {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root(t), "man", "*.[157]"))
	if err != nil || len(files) == 0 {
		t.Fatal("no manual pages", err)
	}
	var pages []Page
	for _, f := range files {
		pages = append(pages, readPage(t, filepath.Base(f)))
	}
	return pages
}

// displays are what the displays of EXAMPLES show, line by line, with what
// mdoc needs in its source taken away.
func (p Page) displays() []string {
	var all []string
	text := p.sections["EXAMPLES"]
	for _, part := range strings.Split(text, "\n.Bd -literal")[1:] {
		_, part, _ = strings.Cut(part, "\n")
		display, _, _ := strings.Cut(part, ".Ed")
		display = strings.ReplaceAll("\n"+display, "\n\\&", "\n")[1:]
		all = append(all, strings.NewReplacer(`\e`, `\`, `\(ti`, "~", `\(ha`, "^").Replace(display))
	}
	return all
}
