package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A text is a licence, or what goes with one, by the path of its file within its module.
type text map[string]string

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright|patents)([-._].*)?$`)

// linked is what go list tells of a package.
type linked struct {
	Dir, ImportPath string
	Standard        bool
	Module          struct{ Path, Dir string }
}

// find returns the licences of all that is linked into binaries, by module: the files beside the packages and above
// them, up to the root of their module. The standard library is the module std.
func find(binaries []string) (map[string]text, error) {
	all := map[string]text{}
	for _, path := range binaries {
		packages, err := list(path)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			if all[p.Module.Path] == nil {
				all[p.Module.Path] = text{}
			}
			if err := collect(all[p.Module.Path], p.Dir, p.Module.Dir); err != nil {
				return nil, err
			}
		}
	}
	// Some distributions keep the licence of Go elsewhere; its other modules have the same.
	if len(all["std"]) == 0 {
		all["std"] = all["golang.org/x/sys"]
	}
	delete(all["gptpipe"], "LICENSE")
	return all, nil
}

// list asks go for the packages of a binary, as it was built.
func list(binary string) (all []linked, err error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,ImportPath,Standard,Module", info.Path)
	cmd.Env, cmd.Stderr = os.Environ(), os.Stderr
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "GO") || s.Key == "CGO_ENABLED" {
			cmd.Env = append(cmd.Env, s.Key+"="+s.Value)
		}
	}
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", info.Path, err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p linked
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list %s: %w", info.Path, err)
		}
		switch {
		case p.Standard:
			p.Module.Path, p.Module.Dir = "std", p.Dir[:strings.LastIndex(p.Dir, "/src/")]
		case p.Module.Dir == "": // below the folder vendor
			_, within, _ := strings.Cut(p.ImportPath, p.Module.Path)
			p.Module.Dir = strings.TrimSuffix(p.Dir, within)
		}
		all = append(all, p)
	}
}

// collect adds the licences in dir, and in those above it, to those of the module at root.
func collect(licences text, dir, root string) error {
	for ; strings.HasPrefix(dir, root); dir = filepath.Dir(dir) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !licenceFile.MatchString(e.Name()) || filepath.Ext(e.Name()) == ".go" {
				continue
			}
			path := filepath.Join(dir, e.Name())
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			licences[name] = string(data)
		}
	}
	return nil
}

// marks tell licences by a sentence in them.
var marks = []struct{ id, sentence string }{
	{"Apache-2.0", "apache license, version 2.0"},
	{"Apache-2.0", "apache license version 2.0"},
	{"BSD-2-Clause", "redistribution and use in source and binary forms"},
	{"BSD-3-Clause", "neither the name of"},
	{"MIT", "permission is hereby granted, free of charge"},
}

// spdx returns the identifiers of licences.
func spdx(licences text) []string {
	ids := map[string]bool{}
	for _, t := range licences {
		t = strings.ToLower(strings.Join(strings.Fields(t), " "))
		here := map[string]bool{}
		for _, m := range marks {
			here[m.id] = here[m.id] || strings.Contains(t, m.sentence)
		}
		here["BSD-2-Clause"] = here["BSD-2-Clause"] && !here["BSD-3-Clause"]
		for id, is := range here {
			ids[id] = ids[id] || is
		}
	}
	maps.DeleteFunc(ids, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(ids))
}

// writeLicences writes the texts, each once, below the modules that it is of.
func writeLicences(w io.Writer, binaries []string) error {
	modules, err := find(binaries)
	if err != nil {
		return err
	}
	of := map[string][]string{}
	for _, module := range slices.Sorted(maps.Keys(modules)) {
		if len(modules[module]) == 0 {
			return fmt.Errorf("no licence of %s is known", module)
		}
		title := module
		if module == "std" {
			title = "the Go standard library"
		}
		for _, name := range slices.Sorted(maps.Keys(modules[module])) {
			t := strings.TrimSpace(modules[module][name])
			of[t] = append(of[t], title+", "+name)
		}
	}
	var b strings.Builder
	b.WriteString("The commands of gptpipe have parts of other programs in them, under these licences.\n")
	for _, t := range slices.SortedFunc(maps.Keys(of), func(a, b string) int { return slices.Compare(of[a], of[b]) }) {
		fmt.Fprintf(&b, "\n%s\n%s:\n\n%s\n", strings.Repeat("=", 80), strings.Join(of[t], ";\n"), t)
	}
	_, err = io.WriteString(w, b.String())
	return err
}
