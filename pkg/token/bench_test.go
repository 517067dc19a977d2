package token

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// perCPU reports how much text of n bytes is worked off in a second of processor
// time, which other programs on the machine disturb less than the time that
// passes.
func perCPU(b *testing.B, n int, work func()) {
	used := func() float64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	b.SetBytes(int64(n))
	work() // reads the tables in
	begin := used()
	for b.Loop() {
		work()
	}
	b.ReportMetric(float64(n)*float64(b.N)/1e6/(used()-begin), "MB/cpu-s")
}

var textNames = []string{"english", "code", "json", "chinese"}

func BenchmarkCount(b *testing.B) {
	texts := benchTexts(b)
	for _, name := range textNames {
		b.Run("scan/"+name, func(b *testing.B) {
			perCPU(b, len(texts[name]), func() { scanned = byteScan(texts[name]) })
		})
		for _, e := range []*Encoding{encodings[O200k], encodings[CL100k]} {
			b.Run(e.Name()+"/"+name, func(b *testing.B) {
				perCPU(b, len(texts[name]), func() { e.Count(texts[name]) })
			})
		}
	}
}

var scanned int // keeps the scan from being left out

// byteScan looks at every byte of text once.
func byteScan(text string) (n int) {
	for i := range len(text) {
		if text[i] == ' ' {
			n++
		}
	}
	return n
}

// BenchmarkReference measures npm tiktoken on the same texts.
func BenchmarkReference(b *testing.B) {
	if _, err := exec.LookPath("node"); err != nil {
		b.Skip("no node")
	}
	if _, err := os.Stat("bench/node_modules/tiktoken"); err != nil {
		b.Skip("no tiktoken: npm install --no-package-lock in bench")
	}
	texts, dir := benchTexts(b), b.TempDir()
	for _, name := range textNames {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(texts[name]), 0o666); err != nil {
			b.Fatal(err)
		}
		for _, e := range []*Encoding{encodings[O200k], encodings[CL100k]} {
			b.Run(e.Name()+"/"+name, func(b *testing.B) {
				var rate float64
				var tokens int
				for b.Loop() {
					out, err := exec.Command("node", "bench/speed.mjs", e.Name(), file).Output()
					if err == nil {
						_, err = fmt.Sscan(string(out), &rate, &tokens)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
				if want := e.Count(texts[name]); tokens != want {
					b.Fatalf("%d tokens, by us %d", tokens, want)
				}
				b.ReportMetric(rate, "MB/cpu-s")
			})
		}
	}
}

func BenchmarkParallel(b *testing.B) {
	for name, text := range benchTexts(b) {
		text = strings.Repeat(text, 16<<20/len(text))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				encodings[O200k].CountParallel(text)
			}
		})
	}
}

func BenchmarkFit(b *testing.B) {
	for name, text := range benchTexts(b) {
		b.Run(name, func(b *testing.B) {
			perCPU(b, len(text), func() {
				for rest := text; rest != ""; {
					n, _, _ := encodings[O200k].Fit(rest, 1000, false)
					rest = rest[n:]
				}
			})
		})
	}
}

// BenchmarkRun measures pieces of a megabyte; the slowest known are those of
// hyphens, for which there are tokens of many lengths.
func BenchmarkRun(b *testing.B) {
	for _, s := range runs {
		text := strings.Repeat(s, 1<<20/len(s))
		for _, e := range encodings {
			b.Run(fmt.Sprintf("%s/%+q", e.Name(), s), func(b *testing.B) {
				perCPU(b, len(text), func() { e.Count(text) })
			})
		}
	}
}
