// Package bench times the built commands as whole processes against the
// stand-in, which runs beside them on the same processors. What is compared is
// measured in turn in one run, so that the ratios can be trusted where the
// times cannot.
package bench

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gptpipe/test/standin"
)

var bin string // folder of the built commands

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "gptpipe-bench-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", dir+"/", "gptpipe/cmd/...")
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
			return 1
		}
		return m.Run()
	}())
}

// A user has an empty home and a server.
type user struct {
	testing.TB
	env []string
}

func newUser(b testing.TB, cfg standin.Config) (*user, *standin.Server) {
	s, err := standin.Start(cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	home := b.TempDir()
	u := &user{b, []string{"HOME=" + home, "PATH=" + bin, "OPENAI_BASE_URL=" + s.URL(), "GPT_LINGER=10s"}}
	b.Cleanup(u.stopKeeper)
	return u, s
}

func (u *user) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(bin, name), args...)
	cmd.Env = u.env
	return cmd
}

// run answers what a command wrote, which must be something.
func (u *user) run(name string, args ...string) []byte {
	u.Helper()
	cmd := u.command(name, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || len(out) == 0 {
		u.Errorf("%s %q: %v\n%s", name, args, err, errs.Bytes())
	}
	return out
}

func (u *user) stopKeeper() { _ = u.command("gpt-cache", "stop").Run() } // there may be none

// ask runs n processes of gpt-ask, each with a question of its own, so many at a time.
func (u *user) ask(n, atOnce int, flags ...string) time.Duration {
	begin := time.Now()
	numbers := make(chan int)
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := range numbers {
				u.run("gpt-ask", slices.Concat([]string{"-n"}, flags, []string{"question", strconv.Itoa(i)})...)
			}
		})
	}
	for i := range n {
		numbers <- i
	}
	close(numbers)
	wg.Wait()
	return time.Since(begin)
}

// 200 short processes, 8 at a time: with an empty cache and no keeper, with a full one, and without cache.
func BenchmarkShortProcesses(b *testing.B) {
	var cold, warm, without []time.Duration
	for b.Loop() {
		u, _ := newUser(b, standin.Config{})
		without = append(without, u.ask(200, 8, "--no-cache"))
		cold = append(cold, u.ask(200, 8))
		warm = append(warm, u.ask(200, 8))
	}
	report(b, "empty-cache", cold, without)
	report(b, "full-cache", warm, without)
}

// One gpt-ask whose answer is stored: without a keeper and with one; and one that asks the server.
func BenchmarkStart(b *testing.B) {
	u, _ := newUser(b, standin.Config{})
	u.ask(1, 1)
	var cold, warm, without []time.Duration
	for b.Loop() {
		u.stopKeeper()
		cold = append(cold, u.ask(1, 1))
		warm = append(warm, u.ask(1, 1))
		without = append(without, u.ask(1, 1, "--no-cache"))
	}
	report(b, "no-keeper", cold, without)
	report(b, "keeper", warm, without)
}

// Eight processes share one limit for ten seconds. The share is of what the server could have been sent, between its
// first request and its last; the most is what came in any second.
func BenchmarkLimitOfEightProcesses(b *testing.B) {
	for _, limit := range []int{20, 200} {
		b.Run(fmt.Sprintf("rps=%d", limit), func(b *testing.B) {
			for b.Loop() {
				u, s := newUser(b, standin.Config{})
				var lines strings.Builder
				for i := range limit * 10 / 8 {
					fmt.Fprintf(&lines, "{\"text\":\"%d\"}\n", i)
				}
				var wg sync.WaitGroup
				for p := range 8 {
					wg.Go(func() {
						cmd := u.command("gpt-map", "--rps", strconv.Itoa(limit), "-p", fmt.Sprintf("process %d", p))
						cmd.Stdin = strings.NewReader(lines.String())
						if out, err := cmd.CombinedOutput(); err != nil {
							b.Errorf("%v\n%s", err, out)
						}
					})
				}
				wg.Wait()
				seen := s.Requests()
				took := seen[len(seen)-1].At.Sub(seen[0].At).Seconds()
				b.ReportMetric(100*float64(len(seen)-1)/(float64(limit)*took), "%-of-limit")
				b.ReportMetric(float64(s.MaxPerWindow(time.Second)-limit), "over-limit-in-1s")
			}
		})
	}
}

// report gives the median, and the median of the ratios to what ran beside it.
func report(b *testing.B, name string, all, base []time.Duration) {
	ratios := make([]float64, len(all))
	for i := range all {
		ratios[i] = all[i].Seconds() / base[i].Seconds()
	}
	slices.Sort(all)
	slices.Sort(ratios)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, name+"-ms")
	b.ReportMetric(ratios[len(ratios)/2], name+"/no-cache")
}
