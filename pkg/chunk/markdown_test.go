package chunk

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// heads returns the level and title of each heading of text, and what stays whole.
func heads(text string) (found []string) {
	var m markdown
	m.scan([]byte(text), 0, true)
	for _, l := range m.lines {
		if l.level > 0 {
			found = append(found, fmt.Sprintf("%d %s", l.level, l.title))
		}
	}
	return found
}

func TestHeadings(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"# One\n\ntext\n\n## Two ##\n###### Six\n####### seven\n#hash\n   # three in\n", "[1 One 2 Two 6 Six 1 three in]"},
		{"#\n# \n## #\n# a#\n# a \\#\n", "[1  1  2  1 a# 1 a \\#]"},
		{"One\n===\nTwo\n--\ntwo\nlines\n=\n\n---\n", "[1 One 2 Two 1 two lines]"},
		{"```\n# no\n```\n~~~ x\n# no\n```\n~~~~\n# yes\n", "[1 yes]"},
		{"````\n```\n# no\n````\n# yes\n", "[1 yes]"},
		{"``` a`b\n# yes\n", "[1 yes]"},
		{"    # no\n\n# yes\n", "[1 yes]"},
		{"text\n    # no, it goes on\n# yes\n", "[1 yes]"},
		{"- # no\n\n  # no\n\n# yes\n", "[1 yes]"},
		{"- item\n# yes\n", "[1 yes]"},
		{"1. item\n\n   ```\n   # no\n   ```\n# yes\n", "[1 yes]"},
		{"- ```\n  # no\n\n# yes, the item has ended\n", "[1 yes, the item has ended]"},
		{"> # no\n> text\n# yes\n", "[1 yes]"},
		{"<!-- \n# no\n\n# no\n-->\n# yes\n", "[1 yes]"},
		{"<div>\n# no\n\n# yes\n", "[1 yes]"},
		{"<pre>\n\n# no\n</pre>\n# yes\n", "[1 yes]"},
		{"<https://a.b>\n# yes\n", "[1 yes]"},
		{"---\ntitle: x\n# comment\n---\n# yes\n", "[1 yes]"},
		{"\ufeff---\n# comment\n...\n# yes\n", "[1 yes]"},
		{"+++\n# comment\n+++\n# yes\n", "[1 yes]"},
		{"---\n\n" + strings.Repeat("x\n", maxFront) + "# yes\n", "[1 yes]"},
		{"\n---\n# yes\n", "[1 yes]"},
		{"a | b\n--|--\n1 | 2\n# yes\n", "[1 yes]"},
		{"a | b\n---\n", "[2 a | b]"},
		{"\ufeff# yes\r\ntext\r\n---\r\n", "[1 yes 2 text]"},
		{"- item\n---\n", "[]"},
		{"- a\n\n  para\n  ---\n", "[]"},
		{"text\n***\n", "[]"},
		{"# " + strings.Repeat("long ", 1000) + "\n# yes", "[1 " + strings.TrimSpace(strings.Repeat("long ", 1000)[:maxLine-5]) + " 1 yes]"},
	} {
		if got := fmt.Sprint(heads(test.in)); got != test.want {
			t.Errorf("%.200q: %s, want %s", test.in, got, test.want)
		}
	}
}

func TestByMarkdown(t *testing.T) {
	for _, test := range []struct {
		size int
		in   string
		want []string // section: text
	}{
		{24, "# A\n\nfirst text\n\n## B\n\nsecond text\n\n# C\n\nthird\n", []string{"A: # A\n\nfirst text\n\n", "A/B: ## B\n\nsecond text\n\n", "C: # C\n\nthird\n"}},
		// A heading goes with its text, and the higher one is the better place.
		{20, "one two three\n\n# A\n\nfirst text", []string{": one two three\n\n", "A: # A\n\nfirst text"}},
		{28, "# A\n\na a a a\n\n# B\n\nb b b\n\n## C\n\nc c\n", []string{"A: # A\n\na a a a\n\n", "B: # B\n\nb b b\n\n## C\n\nc c\n"}},
		// It goes with the beginning of what is too large, unless it fills the budget itself.
		{20, "Para.\n\n## H\n\n- one two three four\n- b\n", []string{": Para.\n\n", "H: ## H\n\n- one two ", "H: three four\n- b\n"}},
		{20, "Para.\n\n## H\n\n> one two three four\n> b\n", []string{": Para.\n\n", "H: ## H\n\n> one two ", "H: three four\n> b\n"}},
		{20, "Para.\n\n# G\n## H\n- one two three four\n- b\n", []string{": Para.\n\n", "G: # G\n## H\n- one two ", "G/H: three four\n- b\n"}},
		{20, "## H\n\n| one two three | b |\n|---|---|\n| 1 | 2 |\n", []string{"H: ## H\n\n| one two ", "H: three | b |\n", "H: |---|---|\n| 1 | 2 |\n"}},
		{20, "# A title of all\n\n- one two three four\n", []string{"A title of all: # A title of all\n\n- ", "A title of all: one two three four\n"}},
		{20, "# A title of more than all\n\n- one two three four\n", []string{"A title of more than all: # A title of more ", "A title of more than all: than all\n\n- one two ", "A title of more than all: three four\n"}},
		{20, "# A title of all\n\nincomprehensible\n", []string{"A title of all: # A title of all\n\n", "A title of all: incomprehensible\n"}},
		{20, "# A title of all\n\nincomprehensibilities\n", []string{"A title of all: # A title of all\n\nin", "A title of all: comprehensibilities\n"}},
		// But what would be whole without it goes to the next chunk.
		{20, "# A title of all\n\n- one two three\n", []string{"A title of all: # A title of all\n\n", "A title of all: - one two three\n"}},
		{20, "# A title that fills\n\n- one two\n", []string{"A title that fills: # A title that fills", "A title that fills: \n\n- one two\n"}},
		// Code, tables and lists are whole where they fit.
		{30, "Some text.\n\n```go\n# x\n\ny()\n// zzzzzz\n```\nafter it\n", []string{": Some text.\n\n", ": ```go\n# x\n\ny()\n// zzzzzz\n```\n", ": after it\n"}},
		{28, "Text.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nEnd\n", []string{": Text.\n\n", ": | a | b |\n|---|---|\n", ": | 1 | 2 |\n\nEnd\n"}},
		{32, "Some text.\n\n| a | b |\n|---|---|\n| 1 | 2 |\nEnd\n", []string{": Some text.\n\n", ": | a | b |\n|---|---|\n| 1 | 2 |\n", ": End\n"}},
		{30, "Some text.\n\n- one\n  - two\n- three\n- four\n", []string{": Some text.\n\n", ": - one\n  - two\n- three\n- four\n"}},
		{26, "- one\n  - two\n- three\n  more\n- four\n", []string{": - one\n  - two\n", ": - three\n  more\n- four\n"}},
		// Code that is too large is cut at its lines.
		{16, "```\naaaa\nbbbb\ncccc\n\ndddd\n```\n", []string{": ```\naaaa\nbbbb\n", ": cccc\n\ndddd\n```\n"}},
		// Paragraphs, lines and sentences as by text.
		{16, "one two\nthree\n\nfour five six\nseven\n", []string{": one two\nthree\n\n", ": four five six\n", ": seven\n"}},
	} {
		opt := Options{Unit: Chars, Size: test.size, By: ByMarkdown}
		chunks, err := split(t, strings.NewReader(test.in), opt)
		var got []string
		for _, c := range chunks {
			got = append(got, strings.Join(c.Section, "/")+": "+c.Text)
		}
		if err != nil || fmt.Sprintf("%q", got) != fmt.Sprintf("%q", test.want) {
			t.Errorf("%q in %d:\n%q, want\n%q (%v)", test.in, test.size, got, test.want, err)
		}
		check(t, test.in, opt, 1)
	}
}

// wholes returns what is to stay whole in text: each block of code, table, list,
// quotation or HTML, alone and with the headings right before it.
func wholes(text string) (all [][2]int) {
	var m markdown
	m.scan([]byte(text), 0, true)
	begin, from, block := -1, 0, 0
	for i, l := range m.lines {
		starts := l.quality >= line || l.quality == glued && (i == 0 || !m.lines[i-1].atom)
		if starts && begin >= 0 {
			all = append(all, [2]int{begin, int(l.at)}, [2]int{block, int(l.at)})
			begin = -1
		}
		if l.quality >= line {
			from = int(l.at)
		}
		if starts && l.atom {
			begin, block = from, int(l.at)
		}
	}
	if begin >= 0 {
		all = append(all, [2]int{begin, len(text)}, [2]int{block, len(text)})
	}
	return all
}

var markdownParts = []string{
	"# One\n\n", "## Two\n", "### Three\n\n", "Setext\n---\n\n", "Some words of a sentence. And some more of them.\n\n",
	"Lines of a paragraph,\nand more of them,\nin a row.\n\n", "```go\nfunc f() {\n\n# no\n}\n```\n\n", "~~~\nshort\n~~~\n",
	"- one\n- two\n  - three\n\n    and text\n- four\n\n", "1. first\n2. second\n\n", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\n",
	"> quoted\n> text\n\n", "<div>\n# no\n</div>\n\n", "---\n\n", "    code\n\n    code\n\n", "\n",
}

// What fits into a chunk is not divided, and no chunk ends with a heading that has
// a part of a paragraph fit behind it.
func TestMarkdownKeeps(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 2000 {
		var b strings.Builder
		for range 1 + random.IntN(20) {
			b.WriteString(markdownParts[random.IntN(len(markdownParts))])
		}
		text := b.String()
		opt := Options{Unit: Chars, Size: 60 + random.IntN(200), By: ByMarkdown}
		if random.IntN(3) == 0 {
			opt = Options{Unit: Tokens, Size: 20 + random.IntN(80), By: ByMarkdown, Encoding: o200k(t)}
		}
		if random.IntN(2) == 0 {
			opt.Overlap = opt.Size / 4
		}
		chunks, err := split(t, strings.NewReader(text), opt)
		if err != nil {
			t.Fatal(err)
		}
		verify(t, text, opt, chunks)
		for _, whole := range wholes(text) {
			if size(opt, text[whole[0]:whole[1]]) > opt.Size {
				continue
			}
			for _, c := range chunks {
				if int(c.End) > whole[0] && int(c.End) < whole[1] && strings.TrimSpace(text[c.End:whole[1]]) != "" {
					t.Fatalf("%+v: a chunk ends in what could be whole:\n%s\n---- the chunk\n%s\n---- the text\n%s", opt, text[whole[0]:whole[1]], c.Text, text)
				}
			}
		}
		var m markdown
		m.scan([]byte(text), 0, true)
		for _, c := range chunks {
			for i, l := range m.lines {
				if c.Last || l.level == 0 || int(l.at) >= int(c.End) || int(l.at) < int(c.Start) {
					continue
				}
				next := i + 1
				for next < len(m.lines) && m.lines[next].quality == inside {
					next++
				}
				first, behind := i, len(text)
				for first > 0 && (m.lines[first].quality <= glued || m.lines[first-1].level > 0) {
					first--
				}
				if next+1 < len(m.lines) {
					behind = int(m.lines[next+1].at)
				}
				if next < len(m.lines) && m.lines[next].atom {
					continue // see above
				}
				if next < len(m.lines) && m.lines[next].at == c.End && size(opt, text[m.lines[first].at:behind]) <= opt.Size {
					t.Fatalf("%+v: a chunk ends with a heading:\n%s\n---- the text\n%s", opt, c.Text, text)
				}
			}
		}
	}
}

// someMarkdown returns a text, and where in it the blocks are that are to stay whole.
func someMarkdown(random *rand.Rand) (text string, blocks [][2]int) {
	words := strings.Fields("alpha beta xi. Omicron pi, rho sigma; tau f(x) a_b 3.14 http://x.y/z `code` **bold**")
	some := func(n int) string {
		var b []string
		for range n {
			b = append(b, words[random.IntN(len(words))])
		}
		return strings.Join(b, " ")
	}
	var b strings.Builder
	before := 0
	for range 3 + random.IntN(12) {
		kind := random.IntN(7)
		if kind >= 4 && before >= 4 {
			kind = 1 // or it would go on with what is before it
		}
		block := ""
		switch before = kind; kind {
		case 0:
			b.WriteString(strings.Repeat("#", 1+random.IntN(4)) + " " + some(1+random.IntN(6)) + "\n\n")
		case 1, 2:
			for range 1 + random.IntN(3) {
				b.WriteString(some(1+random.IntN(25)) + "\n")
			}
			b.WriteString("\n")
		case 3:
			fence := []string{"```", "~~~", "````"}[random.IntN(3)]
			block = fence + []string{"", "go"}[random.IntN(2)] + "\n"
			for range random.IntN(12) {
				block += strings.Repeat(" ", random.IntN(12)) + some(random.IntN(8)) + "\n"
			}
			block += fence
		case 4:
			block = "| a | b |\n|---|---|"
			for range 1 + random.IntN(8) {
				block += "\n| " + some(1+random.IntN(4)) + " | " + some(random.IntN(3)) + " |"
			}
		case 5:
			block = "- " + some(3)
			for range random.IntN(7) {
				block += strings.Repeat("\n", 1+random.IntN(2)) + strings.Repeat("  ", random.IntN(2)) + "- " + some(1+random.IntN(12))
			}
		case 6:
			block = "    " + some(3)
			for range random.IntN(7) {
				block += strings.Repeat("\n", 1+random.IntN(2)) + strings.Repeat(" ", 4+random.IntN(4)) + some(1+random.IntN(6))
			}
		}
		if block != "" {
			blocks = append(blocks, [2]int{b.Len(), b.Len() + len(block) + 1})
			b.WriteString(block + strings.Repeat("\n", 2+random.IntN(3)) + strings.Repeat("  \n", random.IntN(2)))
		}
	}
	return b.String(), blocks
}

// Every block of code, table and list that is within the budget is whole. Where they
// are is known from how the text was made.
func TestMarkdownBlocks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	fit := 0
	for range 1500 {
		text, blocks := someMarkdown(random)
		opt := Options{Unit: Tokens, Size: 20 + random.IntN(150), By: ByMarkdown, Encoding: o200k(t)}
		if random.IntN(4) == 0 {
			opt.Unit, opt.Size = Chars, 4*opt.Size
		}
		chunks, err := split(t, strings.NewReader(text), opt)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if size(opt, text[b[0]:b[1]]) > opt.Size {
				continue
			}
			fit++
			for _, c := range chunks {
				if b[0] < int(c.End) && int(c.End) < b[1] {
					t.Fatalf("%+v\n%s\n---- is cut at %d:\n%s", opt, text, int(c.End)-b[0], text[b[0]:b[1]])
				}
			}
		}
	}
	if fit < 3000 {
		t.Errorf("only %d blocks are within the budget", fit)
	}
}
