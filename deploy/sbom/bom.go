package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/url"
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

	Licences []licence `json:"licenses,omitempty"`
}

type licence struct {
	Licence struct {
		ID string `json:"id"` // as SPDX has it
	} `json:"license"`
}

func licences(ids ...string) (all []licence) {
	for _, id := range ids {
		var l licence
		l.Licence.ID = id
		all = append(all, l)
	}
	return all
}

type dependency struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

// writeBOM writes CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/), without a time and a serial number.
func writeBOM(w io.Writer, version string, binaries []string) error {
	all := bom{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Spec: "1.6", Version: 1,
		Metadata: metadata{component{Type: "application", Ref: "gptpipe", Name: "gptpipe", Version: version, Licences: licences("MIT")}},
	}
	texts, err := find(binaries)
	if err != nil {
		return err
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
		all.Components = append(all.Components, component{Type: "application", Ref: name, Name: name, Version: version, Licences: licences("MIT")})
		std := &debug.Module{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}
		linked := dependency{Ref: name}
		for _, m := range append([]*debug.Module{std}, info.Deps...) {
			if m.Replace != nil {
				m = m.Replace
			}
			ids := spdx(texts[m.Path])
			if len(ids) == 0 {
				return fmt.Errorf("no licence of %s is known", m.Path)
			}
			// https://github.com/package-url/purl-spec/blob/main/types-doc/golang-definition.md
			ref := "pkg:golang/" + strings.ToLower(m.Path) + "@" + url.QueryEscape(m.Version)
			modules[ref] = component{Type: "library", Ref: ref, Name: m.Path, Version: m.Version, PURL: ref, Licences: licences(ids...)}
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
