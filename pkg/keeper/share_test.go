package keeper_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
)

// asker is a process that asks for a value: asker DIR KEY FILE. If it gets the lease it adds a byte to FILE, which
// counts the questions as a server would, and stores an answer. With no FILE it says "lease", and does then what the
// lines of its input tell it.
func asker(args []string) int {
	dir, name, file := args[0], args[1], args[2]
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	ctx := context.Background()
	c, err := hub.Open(ctx, config(dir))
	if err != nil {
		return fail(err)
	}
	defer c.Close()
	value, lease, err := c.Ask(ctx, key(name))
	switch {
	case err != nil:
		return fail(err)
	case lease == nil:
		fmt.Printf("value %s\n", value)
		return 0
	case file != "":
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
		if err != nil {
			return fail(err)
		}
		f.Write([]byte("?"))
		f.Close()
		time.Sleep(50 * time.Millisecond) // as a model takes its time
		if err := c.Put(ctx, key(name), []byte("answer to "+name), "", time.Hour); err != nil {
			return fail(err)
		}
		fmt.Printf("value answer to %s\n", name)
		return 0
	}
	fmt.Println("lease")
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if err := c.Put(ctx, key(name), in.Bytes(), "", time.Hour); err != nil {
			return fail(err)
		}
		fmt.Println("put")
	}
	return 0
}

// starter is a process that starts requests until its input ends: starter DIR JOBS RPS. Before it ends it writes the
// times of all starts, in nanoseconds.
func starter(args []string) int {
	jobs, _ := strconv.Atoi(args[1])
	rps, _ := strconv.ParseFloat(args[2], 64)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := hub.Open(ctx, config(args[0]))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer c.Close()
	var mu sync.Mutex
	var starts []int64
	var wg sync.WaitGroup
	for range jobs {
		wg.Go(func() {
			for {
				_, err := c.Start(ctx, hub.Budget{Name: "b", PerSecond: rps}, 0)
				now := time.Now().UnixNano()
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					return
				}
				mu.Lock()
				starts = append(starts, now)
				mu.Unlock()
			}
		})
	}
	io.Copy(io.Discard, os.Stdin)
	cancel()
	wg.Wait()
	for _, s := range starts {
		fmt.Println(s)
	}
	return 0
}

// A process is this test binary in another role.
type process struct {
	*exec.Cmd
	t   *testing.T
	in  io.WriteCloser
	out *bufio.Scanner
}

func run(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &process{cmd, t, in, bufio.NewScanner(out)}
}

// says waits for the next line of a process.
func (p *process) says(want string) {
	p.t.Helper()
	if !p.out.Scan() || p.out.Text() != want {
		p.t.Fatalf("%s says %q, not %q", p.Args[1], p.out.Text(), want)
	}
}

// rest takes all that a process says until it ends.
func (p *process) rest() (lines []string) {
	for p.out.Scan() {
		lines = append(lines, p.out.Text())
	}
	if err := p.Wait(); err != nil {
		p.t.Errorf("%s: %v", strings.Join(p.Args[1:], " "), err)
	}
	return lines
}

// until asks the keeper again and again how it is, until that is as it should be. It does not start a keeper.
func until(t *testing.T, dir string, what string, ok func(hub.Stats) bool) {
	t.Helper()
	var last hub.Stats
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		c, err := hub.Open(t.Context(), hub.Config{Dir: dir})
		if err != nil {
			continue // there is none just now
		}
		s, err := c.Stats(t.Context())
		c.Close()
		if err == nil && ok(s) {
			return
		}
		last = s
	}
	t.Fatalf("never seen: %s; at last %+v", what, last.Sharing)
}

func waiting(held, waiting uint64) func(hub.Stats) bool {
	return func(s hub.Stats) bool { return s.Sharing.Leases == held && s.Sharing.Waiting == waiting }
}

// An outcome is what an Ask came to.
type outcome struct {
	who   int
	value []byte
	lease *hub.Lease
	err   error
}

// asks has clients ask for a key, one after the other, and returns where their outcomes come.
func asks(t *testing.T, dir, name string, clients ...*hub.Client) <-chan outcome {
	t.Helper()
	results := make(chan outcome, len(clients))
	for i, c := range clients {
		go func() {
			value, lease, err := c.Ask(t.Context(), key(name))
			results <- outcome{i, value, lease, err}
		}()
		until(t, dir, "one more waits", func(s hub.Stats) bool { return s.Sharing.Waiting == uint64(i+1) })
	}
	return results
}

func openAll(t *testing.T, dir string, n int, command ...string) []*hub.Client {
	t.Helper()
	t.Cleanup(func() { stop(t, dir) })
	var clients []*hub.Client
	for range n {
		cfg := config(dir)
		cfg.Command = append(cfg.Command, command...)
		c, err := hub.Open(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		clients = append(clients, c)
	}
	return clients
}

// take takes the lease on a key, which is free.
func take(t *testing.T, c *hub.Client, name string) *hub.Lease {
	t.Helper()
	value, lease, err := c.Ask(t.Context(), key(name))
	if err != nil || lease == nil {
		t.Fatalf("no lease: %q, %v", value, err)
	}
	return lease
}

// allGet takes n outcomes, all of which must be the value.
func allGet(t *testing.T, results <-chan outcome, n int, want string) {
	t.Helper()
	for range n {
		if r := <-results; r.err != nil || r.lease != nil || string(r.value) != want {
			t.Errorf("%d: %q, lease %v, %v", r.who, r.value, r.lease != nil, r.err)
		}
	}
}

func mustPut(t *testing.T, c *hub.Client, name, value string) {
	t.Helper()
	if err := c.Put(t.Context(), key(name), []byte(value), "", time.Hour); err != nil {
		t.Fatal(err)
	}
}

// kill kills the keeper once there is one.
func kill(t *testing.T, dir string) {
	t.Helper()
	until(t, dir, "a keeper", func(s hub.Stats) bool { return syscall.Kill(int(s.PID), syscall.SIGKILL) == nil })
}
