package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is shown beside each word of a flag is not about one of them.
func TestOfFlag(t *testing.T) {
	for _, test := range []struct{ text, words, want string }{
		{"auto, always or never: a status line", "auto always never", "a status line"},
		{"one (default) or two", "one two", ""},
		{"one: at paragraphs; two: at lines", "one two", ""},
		{"who logs in: a person (default), or the client", "device client", "who logs in: a person (default), or the client"},
		{"requests at once", "", "requests at once"},
	} {
		if got := ofFlag(test.text, strings.Fields(test.words)); got != test.want {
			t.Errorf("%q: %q, not %q", test.text, got, test.want)
		}
	}
}

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
