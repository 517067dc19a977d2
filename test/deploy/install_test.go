package deploy

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var commands = []string{"gpt-ask", "gpt-cache", "gpt-chunk", "gpt-join", "gpt-key", "gpt-map"}

// What make install puts there works from there, and make uninstall removes it and nothing else.
func TestInstall(t *testing.T) {
	dest := t.TempDir()
	neighbours := []string{"opt/g/bin/other", "opt/g/lib/gptpipe/own", "opt/g/share/man/man1/other.1"}
	for _, path := range neighbours {
		write(t, filepath.Join(dest, path), "")
	}
	install(t, dest, "/opt/g")
	installed := files(t, dest)
	want := []string{"lib/gptpipe/gpt-spool", "lib/systemd/system/gpt-map@.path", "lib/systemd/user/gpt-cache.socket",
		"lib/sysusers.d/gptpipe.conf", "lib/tmpfiles.d/gptpipe.conf", "share/doc/gptpipe/copyright",
		"share/doc/gptpipe/README.zh-CN.md", "share/doc/gptpipe/deploy/README.md", "share/man/man5/gpt-record.5"}
	for _, c := range commands {
		want = append(want, "bin/"+c, "share/man/man1/"+c+".1", "share/bash-completion/completions/"+c,
			"share/zsh/site-functions/_"+c, "share/fish/vendor_completions.d/"+c+".fish")
	}
	for _, path := range want {
		if !slices.Contains(installed, "opt/g/"+path) {
			t.Error("there is no", path)
		}
	}
	// The licences of what is linked, below the names of all modules, and of nothing else.
	licences := read(t, filepath.Join(dest, "opt/g/share/doc/gptpipe/THIRD-PARTY"))
	modules := strings.Fields(must(t, root, []string{"CGO_ENABLED=0"}, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "gptpipe/cmd/..."))
	for _, m := range append(modules, "the Go standard library") {
		if !strings.Contains(licences, "\n"+m+", ") {
			t.Error("there is no licence of", m)
		}
	}
	for _, sentence := range []string{"Copyright 2009 The Go Authors", "Copyright (c) 2022 OpenAI", "TERMS AND CONDITIONS FOR USE", "Copyright (c) 2016 Caleb Spare"} {
		if strings.Count(licences, sentence) == 0 {
			t.Errorf("%q is nowhere", sentence)
		}
	}
	if strings.Contains(licences, "openai/openai-go") {
		t.Error("a module that only tests need is there")
	}
	for _, path := range installed {
		info, err := os.Stat(filepath.Join(dest, path))
		if err != nil {
			t.Fatal(err)
		}
		mode := os.FileMode(0o644)
		if strings.HasPrefix(path, "opt/g/bin/") || path == "opt/g/lib/gptpipe/gpt-spool" {
			mode = 0o755
		}
		if !slices.Contains(neighbours, path) && info.Mode() != mode {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if strings.HasPrefix(path, "opt/g/lib/systemd/") && strings.Contains(read(t, filepath.Join(dest, path)), "/usr/") {
			t.Errorf("%s names a file below /usr", path)
		}
		if path == "opt/g/share/doc/gptpipe/deploy/README.md" && !strings.Contains(read(t, filepath.Join(dest, path)), "\n    ExecStart=/opt/g/bin/gpt-cache ") {
			t.Errorf("%s names a file that is not installed", path)
		}
	}
	if out := must(t, ".", nil, filepath.Join(dest, "opt/g/bin/gpt-ask"), "--version"); !strings.HasPrefix(out, "gpt-ask ") {
		t.Error(out)
	}

	must(t, root, nil, "make", "uninstall", "BIN="+bin, "DESTDIR="+dest, "PREFIX=/opt/g")
	if left := files(t, dest); !slices.Equal(left, neighbours) {
		t.Errorf("left are %q", left)
	}
	for _, dir := range []string{"share/gptpipe", "share/doc/gptpipe"} {
		if _, err := os.Stat(filepath.Join(dest, "opt/g", dir)); err == nil {
			t.Errorf("%s is left", dir)
		}
	}
}

// The names of folders have what shells and sed take for their own.
func TestInstallIntoOddFolders(t *testing.T) {
	dest := filepath.Join(t.TempDir(), `it's a "place" & $HOME;`)
	const prefix = `/opt/a&b|c;d`
	out := must(t, root, nil, "sh", "deploy/install.sh", "install", dest, prefix, bin)
	unit := read(t, filepath.Join(dest, prefix, "lib/systemd/system/gpt-cache.service"))
	if !strings.Contains(unit, "\nExecStart="+prefix+"/bin/gpt-cache serve ") {
		t.Errorf("%s%s", out, unit)
	}
	must(t, root, nil, "sh", "deploy/install.sh", "uninstall", dest, prefix, bin)
	if left := files(t, dest); len(left) > 0 {
		t.Errorf("left are %q", left)
	}

	// Units cannot name these.
	dest = t.TempDir()
	for _, prefix := range []string{"/opt/a b", "/opt/a\tb", "/opt/a\nb", "/opt/100%", "/opt/$$HOME", `/opt/a"b`, "/opt/a'b", `/opt/a\b`} {
		out, status := output(t, root, nil, "make", "install", "BIN="+bin, "DESTDIR="+dest, "PREFIX="+prefix)
		if status == 0 || !strings.Contains(out, "systemd does not take a folder") || len(files(t, dest)) > 0 {
			t.Errorf("PREFIX=%q: status %d: %s", prefix, status, out)
		}
	}

	// Nor one that is relative: to what?
	dest = t.TempDir()
	out, status := output(t, root, nil, "make", "install", "BIN="+bin, "DESTDIR="+dest+"/", "PREFIX=opt/g")
	if status == 0 || !strings.Contains(out, "PREFIX=opt/g is not absolute") || len(files(t, dest)) > 0 {
		t.Errorf("status %d: %s", status, out)
	}

	dest = filepath.Join(t.TempDir(), "it's a place")
	install(t, dest, "/opt/a&b")
	if _, err := os.Stat(filepath.Join(dest, "opt/a&b/bin/gpt-map")); err != nil {
		t.Error(err)
	}
}

// What systemd has enabled is named, and nothing is removed before it is disabled.
func TestUninstallWhatIsEnabled(t *testing.T) {
	dest := t.TempDir()
	install(t, dest, "/usr")
	installed := files(t, dest)
	enabled := filepath.Join(dest, "etc/systemd/system/paths.target.wants/gpt-map@mails.path")
	write(t, enabled, "")
	if err := errors.Join(os.Remove(enabled), os.Symlink("/usr/lib/systemd/system/gpt-map@.path", enabled)); err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"/usr", "/usr/", "//usr//"} {
		out, status := output(t, root, nil, "make", "uninstall", "BIN="+bin, "DESTDIR="+dest, "PREFIX="+prefix)
		if status == 0 || !strings.Contains(out, "disable first") || !strings.Contains(out, " "+enabled) {
			t.Errorf("PREFIX=%s: status %d: %s", prefix, status, out)
		}
	}
	if n := len(files(t, dest)); n != len(installed)+1 {
		t.Errorf("%d files are left of %d", n, len(installed)+1)
	}
	if err := os.Remove(enabled); err != nil {
		t.Fatal(err)
	}
	must(t, root, nil, "make", "uninstall", "BIN="+bin, "DESTDIR="+dest, "PREFIX=/usr")
}

// Without a build it is said what to do, and nothing is installed.
func TestInstallWithoutBuild(t *testing.T) {
	dest := t.TempDir()
	out, status := output(t, root, nil, "make", "install", "BIN="+t.TempDir(), "DESTDIR="+dest)
	if status == 0 || !strings.Contains(out, "run make first") || len(files(t, dest)) > 0 {
		t.Errorf("status %d: %s", status, out)
	}
}
