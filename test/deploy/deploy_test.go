// Package deploy tests what is under deploy/ with the tools of its trade: systemd's, promtool, shellcheck, and with the
// tag dist, which make dist-test gives, what make dist and make image make.
package deploy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is that of the sources.
const root = "../.."

// bin is the folder of the built commands.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "gptpipe-deploy-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/", "gptpipe/cmd/...")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as in make
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		licences := exec.Command("sh", "-c", `go run ./deploy/sbom licences "$0"/gpt-* >"$0/THIRD-PARTY"`, dir)
		licences.Dir = root
		if out, err := licences.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "licences: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// output runs a program in dir and returns what it says on both streams, and its exit status.
func output(t *testing.T, dir string, env []string, name string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), cmd.ProcessState.ExitCode()
}

// must is output of a program that must succeed.
func must(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, status := output(t, dir, env, name, args...)
	if status != 0 {
		t.Fatalf("%s %s: status %d\n%s", name, strings.Join(args, " "), status, out)
	}
	return out
}

// install has make install everything below a folder.
func install(t *testing.T, destdir, prefix string) {
	t.Helper()
	must(t, root, nil, "make", "install", "BIN="+bin, "DESTDIR="+destdir, "PREFIX="+prefix)
}

// files are those below a folder, by their paths in it.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// Scripts are clean in the eyes of shellcheck, as the shell of Debian understands them.
func TestScripts(t *testing.T) {
	var scripts []string
	for _, path := range files(t, filepath.Join(root, "deploy")) {
		if path = filepath.Join(root, "deploy", path); strings.HasPrefix(read(t, path), "#!/bin/sh\n") {
			scripts = append(scripts, path)
		}
	}
	if !slices.Contains(scripts, filepath.Join(root, "deploy/gpt-spool")) || len(scripts) < 6 {
		t.Errorf("only %q", scripts)
	}
	if out := must(t, ".", nil, "shellcheck", scripts...); out != "" {
		t.Error(out)
	}
}

// The demo goes through, whatever the user has set.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	built := filepath.Join(dir, "bin")
	must(t, root, []string{"CGO_ENABLED=0"}, "sh", "-ec", `
		mkdir "$1"
		cp "$0"/gpt-* "$1"
		go build -o "$1/stand-in" ./test/standin/serve
		cp -r demo docs "$1/.."`, bin, built)
	env := []string{"LIVE=", "GPT_RPS=nonsense", "GPT_SCHEMA=/nonexistent", "XDG_STATE_HOME=" + dir, "XDG_CACHE_HOME=" + dir}
	out := must(t, dir, env, "sh", "demo/run.sh")
	if !strings.Contains(out, "the same, byte for byte\n") || !strings.HasSuffix(out, ", 0 now\n") {
		t.Error(out)
	}
	if there, err := filepath.Glob(filepath.Join(dir, "gptpipe*")); len(there) > 0 || err != nil {
		t.Errorf("%q, %v", there, err)
	}
}
