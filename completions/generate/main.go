// Command generate makes the completions of bash, zsh and fish from the flags of
// the commands, which it builds with the tag flagtable to be told them, and from
// what their usage texts say of these.
//
//	go run ./completions/generate DIR
//
// make completions writes them into the folder above, and a test fails when what
// is there is not what comes out.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gptpipe/pkg/cli"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: generate DIR")
		os.Exit(2)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

// generate writes the completions of all commands into a folder.
func generate(dir string) error {
	bin, err := os.MkdirTemp("", "gptpipe-completions-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	if out, err := exec.Command("go", "build", "-tags", "flagtable", "-o", bin+"/", "gptpipe/cmd/...").CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	commands, err := filepath.Glob(filepath.Join(bin, "*"))
	if err != nil {
		return err
	}
	for _, command := range commands {
		m, err := ask(command)
		if err != nil {
			return err
		}
		for shell, text := range map[string]string{"bash": m.bash(), "zsh": m.zsh(), "fish": m.fish()} {
			if err := os.WriteFile(filepath.Join(dir, m.name+"."+shell), []byte(text), 0o644); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask has a command tell what can be completed.
func ask(command string) (menu, error) {
	top, err := help(command)
	if err != nil {
		return menu{}, err
	}
	name := filepath.Base(command)
	calls := callsOf(name, top.Usage)
	if calls == nil {
		return newMenu(name, top.Usage, nil, map[string][]cli.Definition{"": top.Flags}), nil
	}
	flags := map[string][]cli.Definition{}
	for _, call := range calls {
		table, err := help(command, call)
		if err != nil {
			return menu{}, err
		}
		flags[call] = table.Flags
	}
	return newMenu(name, top.Usage, top.Flags, flags), nil
}

func help(command string, call ...string) (table cli.FlagTable, err error) {
	cmd := exec.Command(command, append(call, "--help")...)
	cmd.Env, cmd.Stderr = []string{}, os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &table)
	}
	if err != nil {
		err = fmt.Errorf("%v: %w", cmd.Args, err)
	}
	return table, err
}

// callsOf are the calls in the first lines of a usage text; none: the command
// has none.
func callsOf(name, usage string) (calls []string) {
	head, _, _ := strings.Cut(usage, "\n\n")
	for _, m := range regexp.MustCompile(regexp.QuoteMeta(name)+` ([a-z]+)\b`).FindAllStringSubmatch(head, -1) {
		calls = append(calls, m[1])
	}
	slices.Sort(calls)
	return slices.Compact(calls)
}
