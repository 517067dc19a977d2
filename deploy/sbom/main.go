// Command sbom writes the software bill of materials of Go binaries to stdout: the modules that are really linked into
// them, as the linker has noted it there, in CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/). The same binaries
// give the same bytes: it has no time and no serial number.
package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
)

type bom struct {
	Schema       string       `json:"$schema"`
	Format       string       `json:"bomFormat"`
	Spec         string       `json:"specVersion"`
	Version      int          `json:"version"`
	Metadata     metadata     `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom VERSION BINARY ...")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func write(w io.Writer, version string, binaries []string) error {
	all := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: metadata{component{Type: "application", Ref: "gptpipe", Name: "gptpipe", Version: version}},
	}
	modules := map[string]component{}
	whole := dependency{Ref: "gptpipe"}
	for _, path := range binaries {
		info, err := buildinfo.ReadFile(path)
		if err != nil {
			return err
		}
		name := filepath.Base(path)
		whole.On = append(whole.On, name)
		all.Components = append(all.Components, component{Type: "application", Ref: name, Name: name, Version: version})
		std := &debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}
		linked := dependency{Ref: name}
		for _, m := range append([]*debug.Module{std}, info.Deps...) {
			if m.Replace != nil {
				m = m.Replace
			}
			// https://github.com/package-url/purl-spec/blob/main/types-doc/golang-definition.md
			ref := "pkg:golang/" + strings.ToLower(m.Path) + "@" + url.QueryEscape(m.Version)
			modules[ref] = component{Type: "library", Ref: ref, Name: m.Path, Version: m.Version, PURL: ref}
			linked.On = append(linked.On, ref)
		}
		all.Dependencies = append(all.Dependencies, linked)
	}
	all.Dependencies = append(all.Dependencies, whole)
	for _, ref := range slices.Sorted(maps.Keys(modules)) {
		all.Components = append(all.Components, modules[ref])
	}
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(all)
}
