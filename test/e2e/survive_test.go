package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
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

// A job is gpt-map -o over so many records, which is killed, cut off or left without room, and run again until its
// output is there.
type job struct {
	*testing.T
	dir     string
	records int
	long    int // each answer
	jobs    int
	server  *standin.Server
	env     []string
	flags   []string
}

func newJob(t *testing.T, cfg standin.Config) *job { return newJobOf(t, cfg, 300, 6000) }

func newJobOf(t *testing.T, cfg standin.Config, records, long int) *job {
	s, err := standin.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	j := &job{T: t, dir: t.TempDir(), records: records, long: long, jobs: 8, server: s}
	j.env = []string{"HOME=" + t.TempDir(), "PATH=" + bin, "OPENAI_BASE_URL=" + s.URL(), "GPT_LINGER=1s", "GORACE=atexit_sleep_ms=0"}
	var in strings.Builder
	for i := range j.records {
		fmt.Fprintf(&in, "{\"n\":%d,\"text\":\"echo %s\"}\n", i, j.wanted(i))
	}
	if err := os.WriteFile(filepath.Join(j.dir, "in.jsonl"), []byte(in.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop := exec.Command(filepath.Join(bin, "gpt-cache"), "stop")
		stop.Env = j.env
		_ = stop.Run() // there may be none
	})
	return j
}

// wanted is the answer for a record, long enough that some hundred fill a small disk.
func (j *job) wanted(i int) string { return fmt.Sprintf("answer %d %0*d", i, j.long, i) }

func (j *job) output() string { return filepath.Join(j.dir, "out", "out.jsonl") }

func (j *job) command() *exec.Cmd {
	if err := os.MkdirAll(filepath.Dir(j.output()), 0o700); err != nil {
		j.Fatal(err)
	}
	args := append([]string{"-j", fmt.Sprint(j.jobs), "-o", j.output()}, j.flags...)
	args = append(args, filepath.Join(j.dir, "in.jsonl"))
	cmd := exec.Command(filepath.Join(bin, "gpt-map"), args...)
	cmd.Env = j.env
	return cmd
}

// finish runs the job until it succeeds, and checks that each record is there once, in its place and right.
func (j *job) finish() {
	j.Helper()
	for try := 0; ; try++ {
		out, err := j.command().CombinedOutput()
		if err == nil {
			break
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 3 || try == 20 {
			j.Fatalf("%v\n%s", err, out)
		}
	}
	data, err := os.ReadFile(j.output())
	if err != nil {
		j.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	if len(lines) != j.records {
		j.Fatalf("%d records of %d", len(lines), j.records)
	}
	for i, line := range lines {
		var r struct {
			N        int
			Response string
		}
		if err := json.Unmarshal(line, &r); err != nil || r.N != i || r.Response != j.wanted(i) {
			j.Errorf("record %d is %.200s", i, line)
		}
	}
	if left, _ := filepath.Glob(j.output() + ".*"); len(left) > 0 {
		j.Errorf("%v is left", left)
	}
}

// paidAgain counts the answers that were paid for more often than once.
func (j *job) paidAgain() int { return j.server.Paid() - j.records }

// A job that is killed at any moment costs what was in flight, and nothing else: with the cache or without.
func TestKilledJob(t *testing.T) {
	for _, flags := range [][]string{nil, {"--no-cache"}} {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			j := newJob(t, standin.Config{Latency: 20 * time.Millisecond})
			j.flags = flags
			kills := 0
			for range 6 {
				cmd := j.command()
				var said bytes.Buffer
				cmd.Stderr = &said
				before := len(j.server.Requests())
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				// It is under way for sure once a number of further requests have come.
				for some := 10 + rand.N(30); len(j.server.Requests()) < before+some; {
					select {
					case err := <-ended:
						t.Fatalf("%v\n%s", err, said.Bytes())
					case <-time.After(time.Millisecond):
					}
				}
				cmd.Process.Kill()
				<-ended
				kills++
			}
			j.finish()
			if again := j.paidAgain(); again > kills*j.jobs {
				t.Errorf("%d answers were paid for again after %d kills of %d jobs", again, kills, j.jobs)
			}
			t.Logf("%d kills, %d answers paid for again", kills, j.paidAgain())
		})
	}
}

// through puts a network between the job and its server.
func (j *job) through() *network {
	n := newNetwork(j.T, strings.TrimSuffix(strings.TrimPrefix(j.server.URL(), "http://"), "/v1"))
	j.env = append(j.env, "OPENAI_BASE_URL=http://"+n.addr+"/v1")
	return n
}

// A network that cuts connections, in the middle of requests and answers, or swallows what it is given, costs attempts and
// no record.
func TestBadNetwork(t *testing.T) {
	j := newJob(t, standin.Config{})
	n := j.through()
	n.add(toxic{Type: "limit_data", Stream: "upstream", Toxicity: 0.5, Attributes: map[string]any{"bytes": 20_000}})
	n.add(toxic{Type: "limit_data", Stream: "downstream", Toxicity: 1, Attributes: map[string]any{"bytes": 40_000}})
	n.add(toxic{Type: "reset_peer", Stream: "downstream", Toxicity: 0.2, Attributes: map[string]any{"timeout": 5}})
	n.add(toxic{Type: "slicer", Stream: "downstream", Toxicity: 0.5, Attributes: map[string]any{"average_size": 500, "size_variation": 300, "delay": 10}})
	n.add(toxic{Type: "timeout", Stream: "upstream", Toxicity: 0.05, Attributes: map[string]any{"timeout": 0}})
	j.flags = []string{"--retries", "20", "--timeout", "1s", "-q"}
	j.finish()
	t.Logf("%d requests for %d records, %d answers paid for again", len(j.server.Requests()), j.records, j.paidAgain())
}

// A network that is gone in the middle of the job fails the records that are left; once it is back, these are asked for,
// and what had been answered is not, but for what was on its way.
func TestCutNetwork(t *testing.T) {
	for _, flags := range [][]string{nil, {"--no-cache"}} {
		t.Run(fmt.Sprint(flags), func(t *testing.T) {
			j := newJob(t, standin.Config{Latency: 20 * time.Millisecond})
			n := j.through()
			j.flags = append(flags, "-q", "--retries", "0")
			cuts := 3
			for range cuts {
				cmd := j.command()
				before := len(j.server.Requests())
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- cmd.Wait() }()
				for len(j.server.Requests()) < before+50 {
					select {
					case err := <-ended:
						t.Fatalf("it ended early: %v", err)
					case <-time.After(time.Millisecond):
					}
				}
				n.up(false)
				var exit *exec.ExitError
				if err := <-ended; !errors.As(err, &exit) || exit.ExitCode() != 3 {
					t.Errorf("with no network: %v", err)
				}
				n.up(true)
			}
			j.finish()
			if again := j.paidAgain(); again > cuts*j.jobs {
				t.Errorf("%d answers were paid for again after %d cuts of %d jobs", again, cuts, j.jobs)
			}
			t.Logf("%d cuts, %d answers paid for again", cuts, j.paidAgain())
		})
	}
}

// smallDisk puts the output on a disk of so many MiB.
func (j *job) smallDisk(size int) {
	j.Helper()
	if os.Geteuid() != 0 {
		j.Skip("only root can mount a file system")
	}
	small := filepath.Dir(j.output())
	if err := os.MkdirAll(small, 0o700); err != nil {
		j.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, fmt.Sprintf("size=%dm", size)); err != nil {
		j.Skipf("no file system can be mounted here: %v", err)
	}
	j.Cleanup(func() { syscall.Unmount(small, syscall.MNT_DETACH) })
}

// Without room for the output the job stops and says so; once there is room it goes on, and no answer is paid for twice,
// however long they are: there is room for those in flight.
func TestNoRoomForTheOutput(t *testing.T) {
	for _, c := range []struct {
		disk, records, long, jobs int
		flags                     []string
	}{
		{disk: 3, records: 300, long: 6000, jobs: 64},
		{disk: 3, records: 300, long: 6000, jobs: 64, flags: []string{"--no-cache"}},
		{disk: 20, records: 400, long: 60_000, jobs: 64, flags: []string{"--no-cache"}},
		{disk: 20, records: 400, long: 60_000, jobs: 16, flags: []string{"--no-cache", "--unordered"}},
		{disk: 20, records: 150, long: 200_000, jobs: 64, flags: []string{"--no-cache"}},
	} {
		t.Run(fmt.Sprintf("%d kB -j %d %v", c.long/1000, c.jobs, c.flags), func(t *testing.T) {
			j := newJobOf(t, standin.Config{Latency: 200 * time.Millisecond}, c.records, c.long)
			j.flags, j.jobs = c.flags, c.jobs
			j.smallDisk(c.disk)
			var exit *exec.ExitError
			out, err := j.command().CombinedOutput()
			if !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("no space left")) || j.server.Paid() < c.disk<<20/4/c.long {
				t.Errorf("%v, %d answers were paid for\n%s", err, j.server.Paid(), out)
			}
			if err := syscall.Mount("tmpfs", filepath.Dir(j.output()), "tmpfs", syscall.MS_REMOUNT, "size=100m"); err != nil {
				t.Fatal(err)
			}
			j.flags = slices.DeleteFunc(j.flags, func(flag string) bool { return flag == "--unordered" }) // the records are to be in their places
			j.finish()
			if again := j.paidAgain(); again != 0 {
				t.Errorf("%d answers were paid for again", again)
			}
		})
	}
}

// If answers are so long that a disk has not room for those in flight, it is said how many are lost.
func TestAnswersThatAreLost(t *testing.T) {
	j := newJobOf(t, standin.Config{Latency: 200 * time.Millisecond}, 10, 900_000)
	j.flags = []string{"--no-cache"}
	j.smallDisk(3)
	out, err := j.command().CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("%v\n%s", err, out)
	}
	first := j.server.Paid()
	kept, err := os.ReadFile(j.output() + ".partial")
	if err != nil {
		t.Fatal(err)
	}
	lost := first - (bytes.Count(kept, []byte("\n")) - 1)
	want := fmt.Sprintf("gpt-map: %d answers that were paid for are not in %s.partial, and will be paid for again\n", lost, j.output())
	if lost == 0 || !bytes.Contains(out, []byte(want)) {
		t.Errorf("%d were lost\n%s", lost, out)
	}
}

// A job that fits on a small disk is done there, however many could be in flight.
func TestFewEmbeddingsOnASmallDisk(t *testing.T) {
	j := newJobOf(t, standin.Config{}, 30, 100)
	j.flags, j.jobs = []string{"--embed"}, 16
	j.smallDisk(3)
	if out, err := j.command().CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
