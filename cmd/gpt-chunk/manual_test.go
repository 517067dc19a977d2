package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gptpipe/pkg/cli"
	"gptpipe/test/manual"
)

func TestManualAndUsageHaveEveryFlag(t *testing.T) {
	flags := cli.NewFlags()
	new(options).register(flags)
	manual.Check(t, flags, usage, "gpt-chunk.1")
}

// The examples of the manual and of --help that show what comes out say the truth.
func TestExamples(t *testing.T) {
	page, err := os.ReadFile("../../man/gpt-chunk.1")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "gpt-chunk")); err != nil {
		t.Fatal(err)
	}
	_, inUsage, _ := strings.Cut(usage, "  $ ")
	examples := []string{strings.ReplaceAll(inUsage, "\n  ", "\n")}
	for _, part := range strings.Split(string(page), "\n.Bd -literal -offset indent\n$ ")[1:] {
		example, _, _ := strings.Cut(part, ".Ed")
		examples = append(examples, strings.ReplaceAll(example, `\e`, `\`))
	}
	run := 0
	for _, example := range examples {
		line, want, _ := strings.Cut(example, "\n")
		if want == "" {
			continue // of a file that is not here
		}
		if strings.Contains(line, "jq") {
			if _, err := exec.LookPath("jq"); err != nil {
				t.Logf("no jq here: %s", line)
				continue
			}
		}
		cmd := exec.Command("sh", "-c", line)
		cmd.Env = append(os.Environ(), asCommand+"=1", "GORACE=atexit_sleep_ms=0", "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %v\n%swant\n%s", line, err, out, want)
		}
		run++
	}
	if run < 2 {
		t.Errorf("only %d of %d examples were run", run, len(examples))
	}
}
