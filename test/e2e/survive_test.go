package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
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
	jobs    int
	server  *standin.Server
	env     []string
	flags   []string
}

func newJob(t *testing.T, cfg standin.Config) *job {
	s, err := standin.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	j := &job{T: t, dir: t.TempDir(), records: 300, jobs: 8, server: s}
	j.env = []string{"HOME=" + t.TempDir(), "PATH=" + bin, "OPENAI_BASE_URL=" + s.URL(), "GPT_LINGER=1s", "GORACE=atexit_sleep_ms=0"}
	var in strings.Builder
	for i := range j.records {
		fmt.Fprintf(&in, "{\"n\":%d,\"text\":\"echo answer %d\"}\n", i, i)
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
		if err := json.Unmarshal(line, &r); err != nil || r.N != i || r.Response != fmt.Sprint("answer ", i) {
			j.Errorf("record %d is %s", i, line)
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

// A network that cuts connections, in the middle of requests and answers, costs attempts and no record.
func TestCutNetwork(t *testing.T) {
	j := newJob(t, standin.Config{})
	proxy := cuttingProxy(t, strings.TrimSuffix(strings.TrimPrefix(j.server.URL(), "http://"), "/v1"))
	j.env = append(j.env, "OPENAI_BASE_URL=http://"+proxy+"/v1")
	j.flags = []string{"--retries", "20"}
	j.finish()
}

// cuttingProxy forwards connections and cuts each after a random number of bytes.
func cuttingProxy(t *testing.T, to string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer in.Close()
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				all.Go(func() { io.CopyN(out, in, 500+rand.N[int64](4000)); out.Close(); in.Close() })
				io.CopyN(in, out, 500+rand.N[int64](8000))
			})
		}
	})
	return l.Addr().String()
}

// Without room for the output the job stops and says so; once there is room it goes on, and no answer is paid for twice:
// what could not be written down is in the cache.
func TestNoRoomForTheOutput(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a file system")
	}
	j := newJob(t, standin.Config{})
	small := filepath.Dir(j.output())
	if err := os.MkdirAll(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", 0, "size=32k"); err != nil {
		t.Skipf("no file system can be mounted here: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(small, syscall.MNT_DETACH) })
	var exit *exec.ExitError
	out, err := j.command().CombinedOutput()
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("no space left")) {
		t.Errorf("%v\n%s", err, out)
	}
	if err := syscall.Mount("tmpfs", small, "tmpfs", syscall.MS_REMOUNT, "size=10m"); err != nil {
		t.Fatal(err)
	}
	j.finish()
	if again := j.paidAgain(); again != 0 {
		t.Errorf("%d answers were paid for again", again)
	}
}
