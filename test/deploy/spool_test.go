package deploy

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gptpipe/test/standin"
)

// A spool is a folder in which gpt-spool works, against a server.
type spool struct {
	*testing.T
	dir    string
	env    []string
	server *standin.Server
}

func newSpool(t *testing.T, cfg standin.Config) *spool {
	server, err := standin.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	dir, home := t.TempDir(), t.TempDir()
	s := &spool{t, dir, []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "XDG_CACHE_HOME=" + home,
		"OPENAI_BASE_URL=" + server.URL(), "OPENAI_API_KEY=", "GPT_LINGER=0s"}, server}
	s.run(0) // makes the folders
	return s
}

func (s *spool) command(flags ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(filepath.Join(root, "deploy/gpt-spool"), append([]string{s.dir}, flags...)...)
	cmd.Env = append(os.Environ(), s.env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	return cmd, &out
}

func (s *spool) run(status int, flags ...string) string {
	s.Helper()
	cmd, out := s.command(flags...)
	cmd.Run()
	if got := cmd.ProcessState.ExitCode(); got != status {
		s.Errorf("status %d, want %d: %s", got, status, out)
	}
	return out.String()
}

// put lets a file appear, whole.
func (s *spool) put(name, text string) {
	s.Helper()
	whole := filepath.Join(s.dir, "in/.whole")
	write(s.T, whole, text)
	if err := os.Rename(whole, filepath.Join(s.dir, "in", name)); err != nil {
		s.Fatal(err)
	}
}

// has checks which files there are, but for locks and logs.
func (s *spool) has(want ...string) {
	s.Helper()
	got := slices.DeleteFunc(files(s.T, s.dir), func(path string) bool {
		return path == "work/.lock" || filepath.Base(path) == "log"
	})
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		s.Errorf("there are %q, want %q", got, want)
	}
}

func (s *spool) read(path string) string {
	s.Helper()
	return read(s.T, filepath.Join(s.dir, path))
}

// lines are n questions, none of which is asked twice.
func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "echo line %d\n", i)
	}
	return b.String()
}

func TestSpool(t *testing.T) {
	s := newSpool(t, standin.Config{Faults: standin.MustFaults("body~broken:400")})
	s.put("a file", "echo one\necho two\n")
	s.put("-n", "echo three\n")
	s.put("bad", "echo four\nbroken\n")
	write(t, filepath.Join(s.dir, "in/.unfinished"), "echo")
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, "echo secret\n")
	if err := os.Symlink(secret, filepath.Join(s.dir, "in/link")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(s.dir, "in/folder/file"), "echo five\n")
	said := s.run(0, "-R")
	s.has("in/.unfinished", "out/a file", "out/-n", "failed/bad/input", "failed/bad/output.partial", "failed/link/input", "failed/folder/input/file")
	if got := s.read("out/a file"); got != `{"text":"echo one","response":"one"}`+"\n"+`{"text":"echo two","response":"two"}`+"\n" {
		t.Error(got)
	}
	for _, want := range []string{"failed/bad: records failed\n", "failed/link: no plain file that can be read\n", "1 of 2 records failed"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said: %s", want, said)
		}
	}
	if log := s.read("failed/bad/log"); !strings.Contains(log, "1 of 2 records failed") {
		t.Error(log)
	}

	// One that has failed goes on from its answers when it comes again, mended; other runs leave it alone.
	s.run(0, "-R", "--no-cache")
	before := s.server.Paid()
	s.put("bad", "echo four\necho mended\n")
	s.run(0, "-R", "--no-cache")
	s.has("in/.unfinished", "out/a file", "out/-n", "out/bad", "failed/link/input", "failed/folder/input/file")
	if n := s.server.Paid() - before; n != 1 {
		t.Errorf("%d answers, want that of what was mended", n)
	}

	// With the failures among the records, that is a result.
	s.put("bad", "broken\n")
	s.run(0, "-R", "--allow-failed")
	if got := s.read("out/bad"); !strings.Contains(got, `"error":{"type":"invalid_request"`) {
		t.Error(got)
	}
}

// What is stopped in the middle goes on where it was, and nothing is paid for twice, by the journal alone.
func TestSpoolInterrupted(t *testing.T) {
	const records, jobs = 60, 4
	s := newSpool(t, standin.Config{Latency: 50 * time.Millisecond})
	flags := []string{"-R", "--no-cache", fmt.Sprint("-j", jobs)}
	s.put("long", lines(records))
	s.put("other", "echo other\n")

	cmd, out := s.command(flags...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.reach(2 * jobs)
	if said := s.run(2, flags...); !strings.Contains(said, "another one is at work here") {
		t.Error(said)
	}
	syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) // as a terminal does: to all that are in the foreground
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 143 {
		t.Errorf("status %d: %s", got, out)
	}
	s.has("work/long/input", "work/long/output.partial", "work/other/input")
	if n := s.server.Paid(); n >= records {
		t.Fatalf("it was done: %d answers", n)
	}

	// The second time it is gpt-map that is killed, and loses what was in flight.
	before := s.server.Paid()
	cmd, _ = s.command(flags...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.reach(before + 2*jobs)
	for _, pid := range strings.Fields(read(t, fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))) {
		must(t, ".", nil, "kill", "-KILL", pid)
	}
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 137 {
		t.Errorf("status %d", got)
	}

	s.run(0, flags...)
	s.has("out/long", "out/other")
	if got := strings.Count(s.read("out/long"), "\n"); got != records {
		t.Errorf("%d records", got)
	}
	if again := len(s.server.PaidTwice()); again > jobs {
		t.Errorf("%d answers were paid for twice, though %d were in flight", again, jobs)
	}
}

// reach waits until the server has answered so much.
func (s *spool) reach(paid int) {
	s.Helper()
	for deadline := time.Now().Add(30 * time.Second); s.server.Paid() < paid; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%d answers", s.server.Paid())
		}
	}
}

// A refused key ends the run, and the files wait; between result and removal nothing is asked twice.
func TestSpoolStops(t *testing.T) {
	s := newSpool(t, standin.Config{Key: "right"})
	s.put("a", "echo one\n")
	s.put("b", "echo two\n")
	s.env = append(s.env, "OPENAI_API_KEY=wrong")
	s.run(4, "-R")
	s.has("work/a/input", "work/a/output.partial", "work/b/input")
	s.env = append(s.env, "OPENAI_API_KEY=right")
	s.put("b", "echo replaced\n")
	write(t, filepath.Join(s.dir, "work/c/output"), "done\n") // as a kill leaves it there
	write(t, filepath.Join(s.dir, "work/c/input"), "echo never\n")
	s.run(0, "-R")
	s.has("out/a", "out/b", "out/c")
	if got := s.read("out/b"); got != `{"text":"echo replaced","response":"replaced"}`+"\n" || s.read("out/c") != "done\n" {
		t.Error(got)
	}
	if n := s.server.Paid(); n != 2 {
		t.Errorf("%d answers", n)
	}
	if said := s.run(0, "--nonsense"); said != "" { // nobody asks
		t.Error(said)
	}
	s.put("d", "x")
	s.run(2, "--nonsense")
	s.has("out/a", "out/b", "out/c", "work/d/input")
}

// A file is only gone when its result is there, which some flags do not lead to.
func TestSpoolWithoutResult(t *testing.T) {
	s := newSpool(t, standin.Config{})
	for _, flags := range [][]string{{"-R", "--dry-run"}, {"-h"}, {"--version"}, {"-R", "-o", filepath.Join(t.TempDir(), "other")}} {
		s.put("a", "echo one\n")
		said := s.run(0, flags...)
		s.has("failed/a/input")
		if log := s.read("failed/a/log"); !strings.Contains(said, "failed/a: no result\n") || !strings.Contains(log, "no result") || s.read("failed/a/input") != "echo one\n" {
			t.Errorf("%q: %s, log %s", flags, said, log)
		}
	}

	// Nor is it gone, or asked again, when the result cannot be put in its place, or a kill comes just afterwards; the
	// others go on.
	write(t, filepath.Join(s.dir, "out/a/in the way"), "")
	s.put("a", "echo two\n")
	s.run(1, "-R")
	s.put("c", "echo three\n")
	if said := s.run(1, "-R"); !strings.Contains(said, "out/a is a folder, and in the way") {
		t.Errorf("said %s", said)
	}
	s.has("out/a/in the way", "out/c", "work/a/input", "work/a/output")
	must(t, s.dir, nil, "rm", "-r", "out/a")
	write(t, filepath.Join(s.dir, "work/b/answered"), "echo never\n")
	paid := s.server.Paid()
	s.run(0, "-R")
	s.has("out/a", "out/c")
	if s.server.Paid() != paid || s.read("out/a") != `{"text":"echo two","response":"two"}`+"\n" {
		t.Errorf("%d answers more, %s", s.server.Paid()-paid, s.read("out/a"))
	}
}
