package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The completions in the tree are those that come out.
func TestGenerated(t *testing.T) {
	dir := t.TempDir()
	if err := generate(dir); err != nil {
		t.Fatal(err)
	}
	made, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(made) != 18 {
		t.Fatalf("%d files, %v", len(made), err)
	}
	there, err := filepath.Glob("../*.*sh")
	if err != nil || len(there) != len(made) {
		t.Errorf("%q in the tree, %v", there, err)
	}
	for _, path := range made {
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("..", filepath.Base(path)))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not what the flags make (%v): run make completions", filepath.Base(path), err)
		}
	}
}
