package keeper_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"gptpipe/pkg/hub"
)

// The keeper is killed again and again under many putters, in two processes' stead two clients. What was acknowledged
// must be there, and right.
func TestKillLosesNoAcknowledgedPut(t *testing.T) {
	dir := t.TempDir()
	clients := []*hub.Client{open(t, dir), open(t, dir)}
	ctx := t.Context()

	const kills = 25
	done := make(chan struct{})
	var mu sync.Mutex
	acknowledged := make(map[hub.Key][]byte)
	refused := 0
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			c := clients[w%len(clients)]
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				name := fmt.Sprintf("%d-%d", w, n)
				value := bytes.Repeat([]byte(name), 1+rand.N(500))
				err := c.Put(ctx, key(name), value, "m", time.Hour)
				mu.Lock()
				if err == nil {
					acknowledged[key(name)] = value
				} else if e, ok := errors.AsType[*hub.Error](err); ok && !e.Permanent {
					refused++
				} else {
					t.Errorf("put: %v", err)
				}
				mu.Unlock()
			}
		})
	}
	killed := 0
	for killed < kills {
		// Not a signal for something to be ready: a kill must come at any moment of a keeper's life.
		time.Sleep(rand.N(60 * time.Millisecond))
		c, err := hub.Open(ctx, hub.Config{Dir: dir})
		if err != nil {
			continue // none there just now
		}
		if s, err := c.Stats(ctx); err == nil {
			syscall.Kill(int(s.PID), syscall.SIGKILL)
			killed++
		}
		c.Close()
	}
	close(done)
	wg.Wait()

	c := open(t, dir)
	for k, want := range acknowledged {
		if got, ok, err := c.Get(ctx, k); !ok || err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%x: %v, %v, %d bytes of %d", k[:4], ok, err, len(got), len(want))
		}
	}
	t.Logf("%d kills, %d puts acknowledged, %d refused", killed, len(acknowledged), refused)
	if len(acknowledged) < kills {
		t.Error("next to nothing was stored")
	}
}
