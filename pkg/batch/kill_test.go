package batch

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gptpipe/pkg/wire"
	"gptpipe/test/standin"
)

// In a process of its own a test binary with this variable does a job.
const childURL = "GPTPIPE_BATCH_CHILD"

func TestMain(m *testing.M) {
	if url := os.Getenv(childURL); url != "" {
		os.Exit(child(url))
	}
	os.Exit(m.Run())
}

func child(url string) int {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	endpoint, err := wire.ParseEndpoint(url)
	if err != nil {
		return 2
	}
	client := wire.NewClient(wire.Options{Endpoint: endpoint, API: "chat", Timeout: time.Minute, Jobs: 1, Lifetime: ctx})
	out := bufio.NewWriter(os.Stdout)
	err = Run(ctx, Job{
		Client: client, URL: URLOf("chat"), Dir: os.Args[len(os.Args)-1], Requests: each(asks(10)),
		Read: client.ReadAnswer, Resubmit: 2, Retries: 2, MaxWait: time.Minute, test: quick(),
		Emit: func(r Result) error {
			_, err := out.WriteString(string(r.Data) + ": " + r.Response.Text + "\n")
			return err
		},
	})
	if err != nil || out.Flush() != nil {
		return 1
	}
	return 0
}

// A process is killed as each of its calls arrives at the server, several times
// over; what it has paid for is not lost.
func TestKill9(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts many processes")
	}
	for k := 1; k <= 21; k += 4 {
		arrived := make(chan struct{}, 1000)
		s := start(t, standin.Config{
			Faults:  func(standin.Call) standin.Fault { arrived <- struct{}{}; return standin.Fault{} },
			Batches: func(standin.BatchCall) standin.Fate { return standin.Fate{Polls: 2} },
		})
		dir := t.TempDir()
		for range 4 {
			if runChild(t, s.URL(), dir, arrived, k) == "" {
				continue
			}
			break
		}
		var want []string
		for _, r := range asks(10) {
			want = append(want, string(r.Data)+": "+string(r.Data)+"\n")
		}
		if got := runChild(t, s.URL(), dir, arrived, 1<<30); got != strings.Join(want, "") {
			t.Errorf("killed at call %d:\n%s", k, got)
		}
		paidOnce(t, s, asks(10))
	}
}

// runChild returns what a process wrote that is killed with its kth call, or
// lived on.
func runChild(t *testing.T, url, dir string, arrived chan struct{}, k int) string {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$", dir)
	cmd.Env = append(os.Environ(), childURL+"="+url)
	var out strings.Builder
	cmd.Stdout = &out
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	for calls := 0; ; {
		select {
		case <-arrived:
			if calls++; calls == k {
				cmd.Process.Kill()
			}
		case <-ended:
			return out.String()
		}
	}
}
