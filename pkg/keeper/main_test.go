package keeper_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
	"gptpipe/pkg/keeper"
)

// The test binary is its own keeper, and its own client where a test needs one in another process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "serve":
			os.Exit(serve(os.Args[2:]))
		case "client":
			os.Exit(client(os.Args[2:]))
		case "old":
			os.Exit(oldKeeper(os.Args[2:]))
		case "ask":
			os.Exit(asker(os.Args[2:]))
		case "start":
			os.Exit(starter(os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

func serve(args []string) int {
	if err := keeper.CloseInherited(); err != nil {
		return 1
	}
	keeper.Settle()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	dir := flags.String("cache", "", "")
	linger := flags.Duration("linger", -1, "")
	lease := flags.Duration("lease", 0, "")
	size := flags.Int64("size", 0, "")
	if flags.Parse(args) != nil {
		return 2
	}
	if *lease > 0 {
		keeper.SetLeaseLife(*lease)
	}
	err := keeper.Serve(ctx, keeper.Config{Dir: *dir, RuntimeDir: os.Getenv("XDG_RUNTIME_DIR"), Linger: *linger, CacheSize: *size})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// client connects, starting a keeper if need be, prints the keeper's process id, and leaves.
func client(args []string) int {
	c, err := hub.Open(context.Background(), config(args[0]))
	if err == nil {
		var s hub.Stats
		if s, err = c.Stats(context.Background()); err == nil {
			fmt.Println(s.PID)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func config(dir string) hub.Config {
	return hub.Config{Dir: dir, Command: []string{os.Args[0], "serve"}, Linger: 10 * time.Second}
}

// open connects to the keeper of dir, starts it if need be, and stops it when the test ends.
func open(t testing.TB, dir string) *hub.Client {
	t.Helper()
	c, err := hub.Open(t.Context(), config(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		stop(t, dir)
	})
	return c
}

func stop(t testing.TB, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := hub.Open(ctx, hub.Config{Dir: dir})
	if err != nil {
		return // it has left by itself
	}
	if err := c.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func pid(t testing.TB, c *hub.Client) int {
	t.Helper()
	s, err := c.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return int(s.PID)
}

// suspend stops a process, and returns when all of its threads have stopped: kill returns before that, and meanwhile they
// may still answer.
func suspend(t testing.TB, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	running := func(thread string) bool {
		stat, err := os.ReadFile(thread)
		return err == nil && !bytes.Contains(stat, []byte(") T ")) // else it has ended
	}
	for {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(threads) == 0 {
			t.Fatal(threads, err)
		}
		if !slices.ContainsFunc(threads, running) {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func key(s string) hub.Key { return sha256.Sum256([]byte(s)) }
