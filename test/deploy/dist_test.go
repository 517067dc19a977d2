//go:build dist

package deploy

import (
	"debug/elf"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// commit makes a repository of the sources as they stand, the same in every folder.
func commit(t *testing.T, dir string) {
	t.Helper()
	env := []string{"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a",
		"GIT_AUTHOR_DATE=2026-01-02T03:04:05Z", "GIT_COMMITTER_DATE=2026-01-02T03:04:05Z", "GIT_CONFIG_GLOBAL=/dev/null"}
	must(t, ".", env, "sh", "-ec", `
		mkdir -p "$1"
		cd "$0"
		for part in .gitignore LICENSE Makefile README.md README.zh-CN.md go.mod go.sum cmd pkg man completions deploy docs; do
			cp -r "$part" "$1"
		done
		cd "$1"
		git init -q .
		git add .
		git commit -q -m all`, root, dir)
}

// Two folders, two users' settings, the same bytes; and what is in them.
func TestDist(t *testing.T) {
	here, there := filepath.Join(t.TempDir(), "here"), filepath.Join(t.TempDir(), "some where/else")
	commit(t, here)
	commit(t, there)
	must(t, here, nil, "make", "dist")
	must(t, there, []string{"LC_ALL=C", "TZ=Asia/Shanghai", "HOME=" + os.Getenv("HOME")}, "sh", "-c", "umask 077; make dist")
	dist := filepath.Join(here, "dist")
	sums := read(t, filepath.Join(dist, "SHA256SUMS"))
	if other := read(t, filepath.Join(there, "dist/SHA256SUMS")); other != sums {
		t.Errorf("built here\n%sand there\n%s", sums, other)
	}
	must(t, dist, nil, "sha256sum", "--check", "--strict", "SHA256SUMS")
	if n := len(files(t, dist)); n != 9 || strings.Count(sums, "\n") != 8 {
		t.Errorf("%d files, sums:\n%s", n, sums)
	}
	t.Run("tar", func(t *testing.T) { testTar(t, dist) })
	t.Run("rpm", func(t *testing.T) { testRPM(t, dist) })
	t.Run("deb", func(t *testing.T) { testDeb(t, dist) })
	t.Run("SBOM", func(t *testing.T) { testSBOM(t, dist) })
}

// one is the one file of dist that a pattern matches.
func one(t *testing.T, dist, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dist, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return found[0]
}

func testTar(t *testing.T, dist string) {
	for arch, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
		dir := t.TempDir()
		must(t, ".", nil, "tar", "-C", dir, "--strip-components=1", "-xzf", one(t, dist, "*-linux-"+arch+".tar.gz"))
		for _, c := range commands {
			f, err := elf.Open(filepath.Join(dir, "bin", c))
			if err != nil {
				t.Fatal(err)
			}
			if f.Machine != machine || slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
				t.Errorf("%s of %s is for %v, or not static", c, arch, f.Machine)
			}
			f.Close()
		}
		if arch == runtime.GOARCH {
			version := must(t, ".", nil, filepath.Join(dir, "bin/gpt-map"), "--version")
			if !strings.Contains(version, "20260102030405") || strings.Contains(version, "dirty") {
				t.Error(version)
			}
		}
		// What make install puts there, and no more.
		installed := t.TempDir()
		install(t, installed, "/usr/local")
		want, got := files(t, filepath.Join(installed, "usr/local")), files(t, dir)
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", arch, got, want)
		}
	}
}

func testRPM(t *testing.T, dist string) {
	rpm := one(t, dist, "*.x86_64.rpm")
	must(t, ".", nil, "rpm", "--checksig", "--nosignature", rpm)
	list := must(t, ".", nil, "rpm", "-qp", "--qf", "%{NAME} %{VERSION} %{ARCH} %{LICENSE}\n[%{FILENAMES} %{FILEUSERNAME}\n]", rpm)
	if !strings.HasPrefix(list, "gptpipe 0.0.0+git20260102030405.") || !strings.Contains(list, " x86_64 MIT\n") ||
		!strings.Contains(list, "/usr/bin/gpt-map root\n") || !strings.Contains(list, "/usr/share/man/man1/gpt-map.1.gz root\n") ||
		!strings.Contains(list, "/usr/share/zsh/site-functions/_gpt-map root\n") {
		t.Error(list)
	}
	one(t, dist, "*.aarch64.rpm")
}

// testDeb installs the package in a copy of this system that is gone afterwards: an overlay in a mount namespace.
func testDeb(t *testing.T, dist string) {
	if os.Getuid() != 0 {
		t.Skip("to install a package takes root")
	}
	deb := one(t, dist, "*_"+runtime.GOARCH+".deb")
	out := must(t, ".", nil, "unshare", "--mount", "sh", "-ec", `
		mount -t tmpfs tmpfs "$0"
		mkdir "$0/upper" "$0/work" "$0/root"
		mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
		mount --rbind /dev "$0/root/dev"
		mount -t proc proc "$0/root/proc"
		cp "$1" "$0/root/gptpipe.deb"
		exec chroot "$0/root" sh -ec '
			ours() { find /usr /etc /var/lib -xdev -name "*gpt*" ! -path "/usr/local/*" | sort; }
			cd /
			ours >before
			dpkg -i gptpipe.deb
			dpkg -i gptpipe.deb # as an upgrade
			gpt-map --version
			XDG_CACHE_HOME=/tmp HOME=/tmp zsh -dfc "autoload -U compinit; compinit -uD; echo zsh has \$_comps[gpt-map]"
			for page in $(dpkg -L gptpipe | sed -n "s|^/usr/share/man/man\([157]\)/\(.*\)\.[157]\.gz$|\1/\2|p"); do
				MANPAGER=cat man "${page%/*}" "${page#*/}" | grep -q "^NAME"
				echo "page ${page#*/}"
			done
			! command -v systemd-sysusers || id gptpipe
			if command -v systemctl; then
				systemctl enable gpt-cache.socket gpt-map@mails.path
				systemctl --global enable gpt-cache.socket
				[ "$(ls /etc/systemd/*/*.wants/gpt-* | wc -l)" -ge 3 ]
			fi
			dpkg -r gptpipe
			! ls /etc/systemd/*/*.wants/gpt-*
			dpkg -P gptpipe
			ours >after
			diff before after
			! id gptpipe
			[ ! -e /var/cache/gptpipe ]
			echo nothing is left'`, t.TempDir(), deb)
	for _, want := range append(slices.Clone(commands), "gpt-record") {
		if !strings.Contains(out, "page "+want+"\n") {
			t.Errorf("no manual page of %s", want)
		}
	}
	if !strings.Contains(out, "zsh has _gpt-map\n") {
		t.Errorf("zsh does not find the completions:\n%s", out)
	}
	if !strings.HasSuffix(out, "nothing is left\n") {
		t.Error(out)
	}
}

func testSBOM(t *testing.T, dist string) {
	type component struct {
		Type, Name, Version, PURL string
		Licenses                  []struct{ License struct{ ID string } }
	}
	var bom struct {
		BOMFormat, SpecVersion string
		Components             []component
		Dependencies           []struct {
			Ref       string
			DependsOn []string
		}
	}
	if err := json.Unmarshal([]byte(read(t, one(t, dist, "*-linux-arm64.cdx.json"))), &bom); err != nil {
		t.Fatal(err)
	}
	if bom.BOMFormat != "CycloneDX" || bom.SpecVersion != "1.6" {
		t.Error(bom.BOMFormat, bom.SpecVersion)
	}
	purls := map[string]bool{}
	for _, c := range bom.Components {
		purls[c.PURL] = true
		if len(c.Licenses) == 0 || c.Licenses[0].License.ID == "" {
			t.Errorf("no licence of %s", c.Name)
		}
	}
	links := func(command, module string) bool {
		for _, d := range bom.Dependencies {
			if d.Ref != command {
				continue
			}
			for _, on := range d.DependsOn {
				if !purls[on] {
					t.Errorf("%s is no component", on)
				}
				if strings.HasPrefix(on, "pkg:golang/"+module+"@") {
					return true
				}
			}
		}
		return false
	}
	if !links("gpt-cache", "github.com/dgraph-io/badger/v4") || !links("gpt-map", "std") || links("gpt-chunk", "github.com/dgraph-io/badger/v4") {
		t.Error("the modules are not those that are linked")
	}
}
