package manual

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gptpipe/test/standin"
)

// A query is a line that ends where the user asks for completions, and the
// words that its last one is to become.
type query struct{ line, want string }

var queries = []query{
	{"gpt-chunk --by ", "code line markdown none text"},
	{"gpt-chunk --encoding cl", "cl100k_base"},
	{"gpt-map --prog", "--progress"},
	{"gpt-map --api=a", "--api=azure"},
	{"gpt-map --no-cache --log-level w", "warn"},
	{"gpt-map -p 'a b' --re", "--refresh --retries --retry-failed"},
	{"gpt-map -qp x --unor", "--unordered"},
	{"gpt-ask -m ", "gpt-5-mini llama3:8b"},
	{"gpt-map -m llama3:", "llama3:8b"},
	{"gpt-map --model=llama3:8", "--model=llama3:8b"},
	{"gpt-map --profile ", "home work"},
	{"gpt-map --profile work -m ll", "llama3:8b"},
	{"gpt-map --base-url http://127.0.0.1:9/v1 --model g", ""},
	{"gpt-map --profile '; touch broken' --model g", ""},
	{"gpt-map --schema f", "file.json"},
	{"gpt-map -p @f", "@file.json"},
	{"gpt-map -p@f", "-p@file.json"},
	{"gpt-map -Rp@f", "-Rp@file.json"},
	{"gpt-map --prompt=@f", "--prompt=@file.json"},
	{"gpt-map -s @dir/", "@dir/x"},
	{"gpt-map -of", "-ofile.json"},
	{"gpt-map --output=f", "--output=file.json"},
	{"gpt-map --format b", "batch"},
	{"gpt-map -ml", "-mllama3:8b"},
	{"gpt-map f", "file.json"},
	{"gpt-map file.json --re", ""},
	{"gpt-map -p --json --re", "--refresh --retries --retry-failed"},
	{"gpt-map --cache d", "dir"},
	{"gpt-ask f", ""},
	{"gpt-ask --sch", "--schema"},
	{"gpt-ask --chat f", "file.json"},
	{"gpt-map -- --pro", ""},
	{"gpt-map --rps ", ""},
	{"gpt-key lo", "login logout"},
	{"gpt-key --he", "--help"},
	{"gpt-key status --he", "--help"},
	{"gpt-key status now --he", ""},
	{"gpt-key set --", "--base-url --file --help --profile --version"},
	{"gpt-key login --flow ", "client device"},
	{"gpt-key login --scope a --sco", "--scope"},
	{"gpt-key delete --profile w", "work"},
	{"gpt-key --profile work st", ""},
	{"gpt-key --profile=w", ""},
	{"gpt-cache pu", "purge"},
	{"gpt-cache --c", "--cache"},
	{"gpt-cache --cache d", "dir"},
	{"gpt-cache --cache dir pu", "purge"},
	{"gpt-cache --cache=dir purge --ol", "--older"},
	{"gpt-cache --older 1d pu", ""},
	{"gpt-cache purge --model g", "gpt-5-mini"},
	{"gpt-cache import f", "file.json"},
	{"gpt-cache import --cache d", "dir"},
	{"gpt-cache --vers", "--version"},
	{"gpt-cache get f", ""},
	{"gpt-join --encoding o", "o200k_base"},
}

// What lines become with the tabulator key. After a folder one goes on.
var tabs = []query{
	{"gpt-map -p @d", "@dir/"},
	{"gpt-map -p@d", "-p@dir/"},
	{"gpt-map --prompt=@d", "--prompt=@dir/"},
	{"gpt-map --prompt @f", "@file.json "},
	{"gpt-map -of", "-ofile.json "},
	{"gpt-map -od", "-odir/"},
	{"gpt-map --output=f", "--output=file.json "},
	{"gpt-map --cache=d", "--cache=dir/"},
	{"gpt-map -p @an", `@an\ odd\ \$\(touch\ broken\) `},
}

// Real shells, asked for the completions of lines. Names that servers and files
// have are not run as commands.
func TestShellsComplete(t *testing.T) {
	for name, complete := range map[string]func(*testing.T, string, []string) []string{
		"bash": func(t *testing.T, dir string, env []string) []string {
			return typed(t, dir, env, "bash", "--noprofile", "--rcfile", testdata(t, "bashrc"), "-i")
		},
		"zsh": func(t *testing.T, dir string, env []string) []string {
			return typed(t, dir, env, "zsh", "-d", "-i")
		},
		"fish": fishCompletes,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := standin.Start(standin.Config{Models: []string{"gpt-5-mini", "llama3:8b", "$(touch broken)", "`touch broken`"}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(s.Close)
			dir := t.TempDir()
			env := environment(dir, "OPENAI_BASE_URL="+s.URL(), "XDG_CONFIG_HOME="+dir+"/etc", "ZDOTDIR="+dir+"/zsh",
				"COMPLETIONS="+dir+"/completions", "RESULT="+dir+"/lines")
			for file, text := range map[string]string{
				"file.json": "", "dir/x": "", "an odd $(touch broken)": "",
				"etc/gptpipe/profiles/work": "model llama3:8b\n", "etc/gptpipe/profiles/$(touch broken)": "",
				"etc/gptpipe/keys/home": "sk-home", "etc/gptpipe/keys/work": "sk-work",
			} {
				write(t, filepath.Join(dir, file), text)
			}
			files, err := filepath.Glob(filepath.Join(root(t), "completions", "*.*sh"))
			if err != nil || len(files) == 0 {
				t.Fatal("no completions", err)
			}
			for _, f := range files {
				data, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				to := filepath.Base(f)
				if command, is := strings.CutSuffix(to, ".zsh"); is {
					to = "_" + command
				}
				write(t, filepath.Join(dir, "completions", to), string(data))
			}
			rc, err := os.ReadFile(testdata(t, "zshrc"))
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, "zsh", ".zshrc"), string(rc))

			// A machine that is busy may need more than the second that a completion has.
			for _, profile := range []string{"default", "work"} {
				list := exec.Command(filepath.Join(bin, "gpt-key"), "models", "--profile", profile)
				list.Env = env
				if out, err := list.CombinedOutput(); err != nil {
					t.Fatalf("gpt-key models: %v\n%s", err, out)
				}
			}

			asked := queries
			if name != "fish" { // complete -C lists, and inserts nothing
				asked = slices.Concat(queries, tabs)
			}
			got := complete(t, dir, env)
			if len(got) != len(asked) {
				t.Fatalf("%d answers to %d queries: %q", len(got), len(asked), got)
			}
			for i, q := range queries {
				want, words := strings.Fields(q.want), strings.Fields(got[i])
				for i, word := range words {
					words[i] = strings.TrimRight(word, "=/") // as some shells go on
				}
				if !slices.Equal(sorted(words), sorted(want)) {
					t.Errorf("%s|: got %q, want %q", q.line, words, want)
				}
			}
			for i, q := range asked[len(queries):] {
				if got := got[len(queries)+i]; got != q.want {
					t.Errorf("%s|: the key makes it %q, want %q", q.line, got, q.want)
				}
			}
			if _, err := os.Stat(filepath.Join(dir, "broken")); err == nil {
				t.Error("a name was run as a command")
			}
		})
	}
}

// typed has the queries typed at an interactive shell, and answers what their
// last words became.
func typed(t *testing.T, dir string, env []string, shell ...string) []string {
	t.Helper()
	var lines strings.Builder
	for _, q := range queries {
		lines.WriteString(q.line + "\030a\n")
	}
	for _, q := range tabs {
		lines.WriteString(q.line + "\t\n")
	}
	write(t, filepath.Join(dir, "queries"), lines.String())
	cmd := exec.CommandContext(t.Context(), "expect", append([]string{testdata(t, "shell.exp"), filepath.Join(dir, "queries")}, shell...)...)
	cmd.Dir, cmd.Env = dir, env
	shown, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("expect: %v\n%s", err, shown)
	}
	data, err := os.ReadFile(filepath.Join(dir, "lines"))
	if err != nil {
		t.Fatal(err)
	}
	var last []string
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		q := slices.Concat(queries, tabs)[i]
		before := q.line[:strings.LastIndex(q.line, " ")+1]
		word := q.line[len(before):]
		became, is := strings.CutPrefix(line, before)
		switch {
		case !is:
			t.Fatalf("%q became %q", q.line, line)
		case strings.TrimSpace(became) == word && word != q.want:
			became = "" // nothing was inserted
		}
		last = append(last, became)
	}
	return last
}

// fishCompletes asks fish, which needs no terminal for it.
func fishCompletes(t *testing.T, dir string, env []string) []string {
	t.Helper()
	var got []string
	for _, q := range queries {
		cmd := exec.CommandContext(t.Context(), "fish", "--no-config", "-c",
			"for f in $COMPLETIONS/*.fish; source $f; end; complete -C $argv[1]", q.line)
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("fish: %s: %v", q.line, err)
		}
		var words []string
		for line := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
			words = append(words, word)
		}
		got = append(got, strings.Join(words, " "))
	}
	return got
}

func sorted(words []string) []string { slices.Sort(words); return words }

func testdata(t *testing.T, name string) string {
	return filepath.Join(root(t), "test", "manual", "testdata", name)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
